import type { Info, Labels } from '../content/store.ts';
import type { Digest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';
import { findBlob } from './blobs.ts';
import type { Database, Rows } from './database.ts';
import { findImage } from './images.ts';
import { collectionLabels, isLabel, mark } from './mark.ts';

/** What an image takes on disk. Bytes are those of blobs that are there, each once. */
export interface Usage {
  readonly blobs: number;
  readonly bytes: number;
  /** Those that would go with the image, since nothing else needs them. */
  readonly exclusiveBlobs: number;
  readonly exclusiveBytes: number;
}

/**
 * What the image of that name keeps in the store: its target and all that labels refer to below it. That is what the
 * collection sees, content for other platforms included where it is there.
 * @throws DrayError `not-found`.
 */
export function usage(database: Database, namespace: string, name: string): Promise<Usage> {
  return database.readInSteps(function* (transaction) {
    const image = findImage(transaction, namespace, name);
    yield* mark(transaction, { now: Timestamp.now(), without: { namespace, name } });
    const tally = { blobs: 0, bytes: 0, exclusiveBlobs: 0, exclusiveBytes: 0 };
    for (const { digest, size } of below(transaction, namespace, [image.target.digest, ...named(image.labels)])) {
      tally.blobs += 1;
      tally.bytes += size;
      if (isReachable(transaction, namespace, digest)) continue;
      tally.exclusiveBlobs += 1;
      tally.exclusiveBytes += size;
    }
    return tally;
  });
}

function* below(rows: Rows, namespace: string, roots: readonly Digest[]): Generator<Info> {
  const seen = new Set<Digest>(roots);
  // A set gives what is added while it is read.
  for (const digest of seen) {
    const info = findBlob(rows, namespace, digest);
    if (info === undefined) continue;
    yield info;
    for (const child of named(info.labels)) seen.add(child);
  }
}

/** The content that labels refer to. */
function named(labels: Labels): Digest[] {
  return Object.entries(labels)
    .filter(([key]) => isLabel(key, collectionLabels.content))
    .map(([, value]) => value as Digest);
}

function isReachable(rows: Rows, namespace: string, digest: Digest): boolean {
  const sql = "SELECT 1 FROM temp.reachable WHERE namespace = ? AND type = 'content' AND id = ?";
  return rows.get(sql, namespace, digest) !== undefined;
}
