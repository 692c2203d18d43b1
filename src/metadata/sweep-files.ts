import type { Digest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { BlobFile } from './blob-files.ts';
import type { CollectOptions, Removed } from './collect.ts';
import type { Rows } from './database.ts';
import type { OpenParts } from './parts.ts';

type Parts = Pick<OpenParts, 'database' | 'files'>;

const batchSize = 200;

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
  const batch: BlobFile[] = [];
  const flush = async (): Promise<void> => {
    const files = batch.splice(0);
    const removed = dryRun ? files : await removeFiles(parts, files);
    for (const { digest, size } of removed) report({ type: 'file', id: digest, size });
  };
  for await (const { file, foreign } of unneededFiles(parts)) {
    signal?.throwIfAborted();
    if (!foreign) batch.push(file);
    if (batch.length >= batchSize) await flush();
  }
  await flush();
}

/** Files of blobs that have no entry and no ingest to get one; foreign when they are older than the store. */
export async function* unneededFiles({ database, files }: Parts): AsyncGenerator<{ file: BlobFile; foreign: boolean }> {
  const since = madeAt(database);
  for await (const digest of files.digests()) {
    if (isNeeded(database, digest)) continue;
    const file = await files.find(digest);
    if (file !== undefined) yield { file, foreign: file.committedAt.nanoseconds < since.nanoseconds };
  }
}

/**
 * Removes those of the files that are still unneeded; returns them. Nobody can make an entry while the lock is held, so one
 * that is not there now does not come before the file is gone.
 */
export function removeFiles({ database, files }: Parts, unneeded: readonly BlobFile[]): Promise<readonly BlobFile[]> {
  return database.write(
    (transaction) => {
      const doomed = unneeded.filter(({ digest }) => !isNeeded(transaction, digest));
      for (const { digest } of doomed) files.removeNow(digest);
      return doomed;
    },
    { durable: false },
  );
}

function isNeeded(rows: Rows, digest: Digest): boolean {
  const sql = 'SELECT 1 FROM blob WHERE digest = ? UNION ALL SELECT 1 FROM ingest WHERE digest = ? LIMIT 1';
  return rows.get(sql, digest, digest) !== undefined;
}

/** When the store's database was made. */
function madeAt(rows: Rows): Timestamp {
  return new Timestamp(rows.get<{ created_at: bigint }>('SELECT created_at FROM store')?.created_at ?? 0n);
}
