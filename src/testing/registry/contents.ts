import type { Descriptor } from '../../spec/descriptor.ts';
import { type Algorithm, createHasher, type Digest, digestOf, type Hasher } from '../../spec/digest.ts';
import { randomRange } from '../random.ts';

/** What a scripted registry holds, in memory. */

/** A blob: bytes at hand, or bytes that are made when they are read. */
export interface StoredBlob {
  readonly size: number;
  read(start: number, end: number): Iterable<Uint8Array>;
}

/** A manifest. */
export interface StoredManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** One repository. */
export class RepositoryContents {
  readonly blobs: Map<string, StoredBlob> = new Map();
  readonly manifests: Map<string, StoredManifest> = new Map();
  readonly tags: Map<string, Digest> = new Map();
  readonly sessions: Map<string, Session> = new Map();

  /** Adds a blob of bytes. */
  addBlob(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytesBlob(bytes));
    return digest;
  }

  /** Adds a blob of the random bytes of a seed, of which nothing is kept. */
  addRandomBlob(digest: Digest, size: number, seed: string): void {
    this.blobs.set(digest, { size, read: (start, end) => randomRange(start, end, seed) });
  }

  /** Adds a manifest, under tags if there are some. */
  addManifest(mediaType: string, bytes: Uint8Array, ...tags: readonly string[]): Digest {
    const digest = digestOf(bytes);
    this.manifests.set(digest, { mediaType, bytes });
    for (const tag of tags) this.tags.set(tag, digest);
    return digest;
  }

  /** The bytes of a blob; undefined when it is not there or was not kept. */
  bytesOf(digest: Digest): Buffer | undefined {
    const blob = this.blobs.get(digest);
    return blob && Buffer.concat([...blob.read(0, blob.size)]);
  }

  /** The manifest of a tag or digest. */
  find(version: string): (StoredManifest & { readonly digest: Digest }) | undefined {
    const digest = version.includes(':') ? (version as Digest) : this.tags.get(version);
    const manifest = digest === undefined ? undefined : this.manifests.get(digest);
    return digest === undefined || manifest === undefined ? undefined : { ...manifest, digest };
  }

  /** The descriptors of manifests with that subject. */
  referrers(subject: string): Descriptor[] {
    return [...this.manifests].flatMap(([digest, { mediaType, bytes }]) => {
      const document = documentOf(bytes);
      if (document.subject?.digest !== subject) return [];
      const artifactType = document.artifactType ?? document.config?.mediaType;
      return [
        {
          mediaType,
          digest: digest as Digest,
          size: bytes.byteLength,
          artifactType,
          annotations: document.annotations,
        },
      ];
    });
  }
}

/** The parts of a manifest that a registry looks at. */
export interface LooseDocument {
  readonly artifactType?: string;
  readonly config?: { readonly mediaType: string; readonly digest: string };
  readonly layers?: readonly { readonly digest: string; readonly mediaType: string }[];
  readonly manifests?: readonly { readonly digest: string }[];
  readonly subject?: { readonly digest: string };
  readonly annotations?: Record<string, string>;
}

/** A manifest as a registry reads it; nothing where it is no JSON. */
export function documentOf(bytes: Uint8Array): LooseDocument {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as LooseDocument;
  } catch {
    return {};
  }
}

/** A blob of bytes at hand. */
function bytesBlob(bytes: Uint8Array): StoredBlob {
  return {
    size: bytes.byteLength,
    *read(start, end) {
      for (let at = start; at < end; at += chunkSize) yield bytes.subarray(at, Math.min(end, at + chunkSize));
    },
  };
}

const chunkSize = 256 * 1024;

/** An upload that is under way. */
export class Session {
  readonly id: string;
  readonly #keep: boolean;
  readonly #hashers = new Map<Algorithm, Hasher>();
  readonly #chunks: Uint8Array[] = [];
  size = 0;
  patches = 0;
  /** Counts the answers, for locations that move. */
  version = 0;
  /** The end of the first chunk. */
  firstEnd = 0;
  failed = false;
  /** The last chunk was shorter than chunks may be that others follow. */
  isShort = false;

  constructor(id: string, algorithms: readonly Algorithm[], keep: boolean) {
    this.id = id;
    this.#keep = keep;
    for (const algorithm of algorithms) this.#hashers.set(algorithm, createHasher(algorithm));
  }

  append(chunk: Uint8Array): void {
    this.size += chunk.byteLength;
    for (const hasher of this.#hashers.values()) hasher.update(chunk);
    if (this.#keep) this.#chunks.push(Buffer.from(chunk));
  }

  /** Whether the bytes have this digest. */
  has(digest: Digest): boolean {
    const algorithm = digest.slice(0, digest.indexOf(':')) as Algorithm;
    return this.#hashers.get(algorithm)?.digest() === digest;
  }

  /** What was uploaded; its size alone when its bytes are not kept. */
  blob(): StoredBlob {
    if (this.#keep) return bytesBlob(Buffer.concat(this.#chunks));
    return {
      size: this.size,
      read() {
        throw new Error('the bytes of uploads are not kept');
      },
    };
  }
}
