import type { Info, Labels } from '../content/store.ts';
import type { Digest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { Rows, Transaction } from './database.ts';
import { publish } from './events.ts';

/** An entry of a blob in a namespace, as the database has it. */
export interface BlobRow {
  readonly digest: Digest;
  readonly size: bigint;
  readonly labels: string;
  readonly created_at: bigint;
  readonly updated_at: bigint;
}

/** The columns of {@link BlobRow}. */
export const blobColumns = 'digest, size, labels, created_at, updated_at';

/** The entry of a blob in a namespace. */
export function findBlob(rows: Rows, namespace: string, digest: Digest): Info | undefined {
  const row = rows.get<BlobRow>(
    `SELECT ${blobColumns} FROM blob WHERE namespace = ? AND digest = ?`,
    namespace,
    digest,
  );
  return row === undefined ? undefined : infoOf(row);
}

/** Enters a blob that is in no entry yet, or corrects the entry that is there. */
export function putBlob(transaction: Transaction, namespace: string, info: Info): void {
  transaction.run(
    'INSERT OR REPLACE INTO blob VALUES (?, ?, ?, ?, ?, ?)',
    namespace,
    info.digest,
    info.size,
    JSON.stringify(info.labels),
    info.createdAt.nanoseconds,
    info.updatedAt.nanoseconds,
  );
}

/** Removes an entry; returns whether there was one. Its file stays for the collection. */
export function removeBlob(transaction: Transaction, namespace: string, digest: Digest): boolean {
  if (transaction.run('DELETE FROM blob WHERE namespace = ? AND digest = ?', namespace, digest) === 0) return false;
  publish(transaction, namespace, '/content/delete', { digest });
  return true;
}

export function infoOf({ digest, size, labels, created_at, updated_at }: BlobRow): Info {
  return {
    digest,
    size: Number(size),
    labels: JSON.parse(labels) as Labels,
    createdAt: new Timestamp(created_at),
    updatedAt: new Timestamp(updated_at),
  };
}

/** When the store's database was made: files that are older are not the store's, until it adopts them. */
export function madeAt(rows: Rows): Timestamp {
  return new Timestamp(rows.get<{ created_at: bigint }>('SELECT created_at FROM store')?.created_at ?? 0n);
}
