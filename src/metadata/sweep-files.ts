import type { Digest } from '../spec/digest.ts';
import type { BlobFile } from './blob-files.ts';
import { madeAt } from './blobs.ts';
import type { CollectOptions, Removed } from './collection.ts';
import type { Rows } from './database.ts';
import type { OpenParts } from './parts.ts';

type Parts = Pick<OpenParts, 'database' | 'files'>;

/**
 * Removes the files of blobs that no namespace has and no ingest is about to have: those whose entries a collection removed, by
 * this one or by one that was interrupted, and those a crash left before they got an entry. Files that were there before the
 * store's database are not ours.
 */
export async function sweepFiles(
  parts: Parts,
  { dryRun, signal }: CollectOptions,
  report: (removed: Removed) => void,
): Promise<void> {
  for await (const found of unneededFiles(parts)) {
    signal?.throwIfAborted();
    const ours = found.filter(({ foreign }) => !foreign).map(({ file }) => file);
    const removed = dryRun || ours.length === 0 ? ours : await removeFiles(parts, ours);
    for (const { digest, size } of removed) report({ type: 'file', id: digest, size });
  }
}

/** A file of a blob that has no entry and no ingest to get one; foreign when it is older than the store. */
export interface UnneededFile {
  readonly file: BlobFile;
  readonly foreign: boolean;
}

/** All of them, many at a time. */
export async function* unneededFiles({ database, files }: Parts): AsyncGenerator<readonly UnneededFile[]> {
  const since = madeAt(database);
  for await (const batch of files.batches()) {
    yield unneeded(database, batch).flatMap((digest) => {
      const file = files.findNow(digest);
      return file === undefined ? [] : { file, foreign: file.committedAt.nanoseconds < since.nanoseconds };
    });
  }
}

/**
 * Removes those of the files that are still unneeded; returns them. Nobody can make an entry while the lock is held, so one
 * that is not there now does not come before the file is gone.
 */
export function removeFiles({ database, files }: Parts, found: readonly BlobFile[]): Promise<readonly BlobFile[]> {
  return database.write(
    (transaction) => {
      const doomed = new Set(
        unneeded(
          transaction,
          found.map(({ digest }) => digest),
        ),
      );
      const removed = found.filter(({ digest }) => doomed.has(digest));
      for (const { digest } of removed) files.removeNow(digest);
      return removed;
    },
    { durable: false },
  );
}

function unneeded(rows: Rows, digests: readonly Digest[]): Digest[] {
  const found = rows.all<{ digest: Digest }>(
    `SELECT value AS digest FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM blob WHERE blob.digest = value)
     AND NOT EXISTS (SELECT 1 FROM ingest WHERE ingest.digest = value)`,
    JSON.stringify(digests),
  );
  return found.map(({ digest }) => digest);
}
