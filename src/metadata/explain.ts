import type { Labels } from '../content/store.ts';
import { type Digest, parseDigest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { Database, Rows } from './database.ts';
import { collectionLabels as gc, isLabel, listReferences } from './mark.ts';

/** Something that keeps something from being collected. */
export interface Holder {
  /** `root` is a root label on the content itself. */
  readonly type: 'image' | 'lease' | 'ingest' | 'content' | 'root';
  readonly namespace: string;
  /** Name, id, ref or digest; of a `root` the label. */
  readonly id: string;
  /** The label by which it holds what comes next, or by which that is bound to it; absent for the target of an image. */
  readonly label?: string | undefined;
}

/** Why a blob is kept: from an image, a lease, an ingest or a root label down to what holds the blob itself. */
export type Chain = readonly Holder[];

/**
 * Every reason to keep a blob, one chain for each image, lease, ingest and root label that does, the shortest first. None when
 * the next collection takes it.
 * @throws DrayError `invalid-argument` for a malformed digest.
 */
export async function* explain(database: Database, digest: Digest): AsyncGenerator<Chain> {
  const namespaces = database.all<{ namespace: string }>(
    'SELECT namespace FROM blob WHERE digest = ? UNION SELECT namespace FROM ingest WHERE digest = ?',
    parseDigest(digest),
    digest,
  );
  await database.readInSteps(listReferences);
  for (const { namespace } of namespaces) yield* new Search(database, namespace).chains(digest);
}

/** An object that was found to be on a way up, and the way down from it. */
interface Step {
  readonly type: 'content' | 'image';
  readonly id: string;
  /** Whether a label leads down from here: then a flat lease does not count. */
  readonly followed: boolean;
  readonly chain: Chain;
}

class Search {
  readonly #rows: Rows;
  readonly #namespace: string;
  readonly #now: Timestamp = Timestamp.now();
  readonly #seen = new Set<string>();
  #queue: Step[] = [];

  constructor(rows: Rows, namespace: string) {
    this.#rows = rows;
    this.#namespace = namespace;
  }

  *chains(digest: Digest): Generator<Chain> {
    this.#enqueue({ type: 'content', id: digest, followed: false, chain: [] });
    for (let step = this.#queue.shift(); step !== undefined; step = this.#queue.shift()) {
      yield* this.#leases(step);
      yield* step.type === 'content' ? this.#aboveContent(step) : this.#aboveImage(step);
      this.#byLabels(step);
    }
  }

  #enqueue(step: Step): void {
    const key = `${step.type} ${step.followed} ${step.id}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#queue.push(step);
  }

  #holder(type: Holder['type'], id: string, label?: string): Holder {
    return { type, namespace: this.#namespace, id, ...(label === undefined ? {} : { label }) };
  }

  *#leases({ type, id, followed, chain }: Step): Generator<Chain> {
    const leases = this.#rows.all<{ id: string; labels: string; expires_at: bigint | null }>(
      `SELECT lease.id, lease.labels, expires_at FROM lease_resource r
       JOIN lease ON lease.namespace = r.namespace AND lease.id = r.lease
       WHERE r.namespace = ? AND r.type = ? AND r.id = ?`,
      this.#namespace,
      nodeType(type),
      id,
    );
    for (const lease of leases) {
      const flat = gc.flat in (JSON.parse(lease.labels) as Labels);
      if (!this.#hasExpired(lease.expires_at) && !(flat && followed)) yield [this.#holder('lease', lease.id), ...chain];
    }
  }

  *#aboveContent({ id, followed, chain }: Step): Generator<Chain> {
    const own = this.#labelsOf('blob', 'digest', id);
    const root = Object.keys(own).find((key) => key.startsWith(gc.root));
    if (root !== undefined) yield [this.#holder('root', root), ...chain];
    const ingests = this.#rows.all<{ ref: string }>(
      'SELECT ref FROM ingest WHERE namespace = ? AND digest = ?',
      this.#namespace,
      id,
    );
    for (const { ref } of ingests) yield [this.#holder('ingest', ref), ...chain];
    const images = this.#rows.all<{ name: string }>(
      'SELECT name FROM image WHERE namespace = ? AND digest = ?',
      this.#namespace,
      id,
    );
    for (const { name } of images) {
      this.#enqueue({ type: 'image', id: name, followed, chain: [this.#holder('image', name), ...chain] });
    }
    this.#byBackReference(own, chain);
  }

  *#aboveImage({ id, chain }: Step): Generator<Chain> {
    const image = this.#rows.get<{ expires_at: bigint | null }>(
      'SELECT expires_at FROM image WHERE namespace = ? AND name = ?',
      this.#namespace,
      id,
    );
    if (image !== undefined && !this.#hasExpired(image.expires_at)) yield chain;
    this.#byBackReference(this.#labelsOf('image', 'name', id), chain);
  }

  // A back reference stands on what is held, and names what holds it.
  #byBackReference(own: Labels, chain: Chain): void {
    for (const [label, parent] of Object.entries(own)) {
      const type = isLabel(label, gc.backContent) ? 'content' : isLabel(label, gc.backImage) ? 'image' : undefined;
      if (type === undefined) continue;
      this.#enqueue({ type, id: parent, followed: true, chain: [this.#holder(type, parent, label), ...chain] });
    }
  }

  #byLabels({ type, id, chain }: Step): void {
    const holders = this.#rows.all<{ type: string; id: string; label: string }>(
      'SELECT type, id, label FROM temp.label_reference WHERE namespace = ? AND target_type = ? AND target = ?',
      this.#namespace,
      nodeType(type),
      id,
    );
    for (const holder of holders) {
      const above = holder.type === 'images' ? 'image' : 'content';
      const next = [this.#holder(above, holder.id, holder.label), ...chain];
      this.#enqueue({ type: above, id: holder.id, followed: true, chain: next });
    }
  }

  #labelsOf(table: 'blob' | 'image', key: string, id: string): Labels {
    const row = this.#rows.get<{ labels: string }>(
      `SELECT labels FROM ${table} WHERE namespace = ? AND ${key} = ?`,
      this.#namespace,
      id,
    );
    return row === undefined ? {} : (JSON.parse(row.labels) as Labels);
  }

  #hasExpired(expiresAt: bigint | null): boolean {
    return expiresAt !== null && expiresAt < this.#now.nanoseconds;
  }
}

/** What leases and marks call it. */
function nodeType(type: Step['type']): string {
  return type === 'image' ? 'images' : type;
}
