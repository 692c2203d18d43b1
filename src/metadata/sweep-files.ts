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
 * store's database are not ours. One that cannot be removed, since another program has it open on Windows for example, keeps none
 * of the others.
 * @throws DrayError what the first of them has, after all else is done.
 */
export async function sweepFiles(
  parts: Parts,
  { dryRun, signal }: CollectOptions,
  report: (removed: Removed) => void,
): Promise<void> {
  const failures: unknown[] = [];
  for await (const found of unneededFiles(parts)) {
    signal?.throwIfAborted();
    const ours = found.filter(({ foreign }) => !foreign).map(({ file }) => file);
    const removal = dryRun || ours.length === 0 ? { removed: ours, failures: [] } : await removeFiles(parts, ours);
    for (const { digest, size } of removal.removed) report({ type: 'file', id: digest, size });
    failures.push(...removal.failures);
  }
  if (failures.length > 0) throw failures[0];
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

/** What became of files that were to be removed; there is a failure for each that was not. */
export interface FileRemoval {
  readonly removed: readonly BlobFile[];
  readonly failures: readonly unknown[];
}

/**
 * Removes those of the files that are still unneeded. Nobody can make an entry while the lock is held, so one
 * that is not there now does not come before the file is gone.
 */
export function removeFiles({ database, files }: Parts, found: readonly BlobFile[]): Promise<FileRemoval> {
  return database.write(
    (transaction) => {
      const doomed = new Set(
        unneeded(
          transaction,
          found.map(({ digest }) => digest),
        ),
      );
      const removed: BlobFile[] = [];
      const failures: unknown[] = [];
      for (const file of found.filter(({ digest }) => doomed.has(digest))) {
        try {
          files.removeNow(file.digest);
          removed.push(file);
        } catch (error) {
          failures.push(error);
        }
      }
      return { removed, failures };
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
