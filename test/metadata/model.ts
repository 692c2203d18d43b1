import { type Digest, digestOf } from '../../src/spec/digest.ts';

/** The few blobs that histories are about; each has an ingest ref of its own. */
export const blobCount = 4;

export function blobBytes(blob: number): Buffer {
  return Buffer.from(`blob ${blob} `.repeat(1 + blob));
}

export function blobDigest(blob: number): Digest {
  return digestOf(blobBytes(blob));
}

/** A lease: how it holds, and what. */
export interface LeaseModel {
  readonly expired: boolean;
  readonly flat: boolean;
  readonly content: Set<Digest>;
  readonly ingests: Set<number>;
}

/** What a namespace has to hold, kept as simply as it can be. */
export class NamespaceModel {
  readonly images: Map<string, Digest> = new Map();
  /** The references of each blob, and whether it has a root label. */
  readonly content: Map<Digest, { refs: readonly Digest[]; root: boolean }> = new Map();
  readonly leases: Map<string, LeaseModel> = new Map();
  /** By blob: whether a writer has it open, and the lease of that. */
  readonly ingests: Map<number, { open: boolean; lease: string | undefined }> = new Map();

  expireIngests(): void {
    const held = [...this.leases.values()].filter((lease) => !lease.expired).flatMap((lease) => [...lease.ingests]);
    for (const [blob, { open }] of this.ingests) if (!open && !held.includes(blob)) this.ingests.delete(blob);
  }

  collect(): void {
    for (const [id, lease] of this.leases) if (lease.expired) this.leases.delete(id);
    const kept = this.#kept();
    for (const digest of this.content.keys()) if (!kept.has(digest)) this.content.delete(digest);
  }

  #kept(): Set<Digest> {
    const leases = [...this.leases.values()];
    const followed = new Set<Digest>([
      ...this.images.values(),
      ...[...this.ingests.keys()].map(blobDigest),
      ...[...this.content].filter(([, { root }]) => root).map(([digest]) => digest),
      ...leases.filter((lease) => !lease.flat).flatMap((lease) => [...lease.content]),
    ]);
    // A set gives what is added while it is read.
    for (const digest of followed) for (const ref of this.content.get(digest)?.refs ?? []) followed.add(ref);
    return new Set([...followed, ...leases.flatMap((lease) => [...lease.content])]);
  }
}

/** What a store has to hold: a history is run on both, and they are compared after each step. */
export class Model {
  readonly #namespaces = new Map<string, NamespaceModel>();

  namespace(name: string): NamespaceModel {
    const known = this.#namespaces.get(name) ?? new NamespaceModel();
    this.#namespaces.set(name, known);
    return known;
  }

  get namespaces(): readonly NamespaceModel[] {
    return [...this.#namespaces.values()];
  }
}
