import type { Digest } from '../spec/digest.ts';
import { isNamespace } from '../spec/namespace-name.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { Database, Rows, Transaction } from './database.ts';

/**
 * What the database knows of an ingest: the digest that is going to be a blob. It keeps that blob's file from being collected
 * between the moment it is there and the moment it has an entry.
 */
export interface IngestRecord {
  readonly digest: Digest | null;
  /** Changes with every writer that opens the ingest, so that an abort removes the record it saw and no later one. */
  readonly token: string;
}

/**
 * A record that is younger than this stays, whatever its ingest: it may just be turning into a blob. Milliseconds. A commit
 * makes its record young first.
 */
export const recordGrace: number = 60 * 60 * 1000;

/** The name of a namespace's ingest in the store that all namespaces share. */
export function sharedRef(namespace: string, ref: string): string {
  return `${namespace}/${ref}`;
}

/** The namespace and the ref in it of an ingest of the shared store; none when it was not made by a namespace. */
export function ownerOf(shared: string): [namespace: string | undefined, ref: string] {
  const slash = shared.indexOf('/');
  const namespace = shared.slice(0, Math.max(slash, 0));
  return isNamespace(namespace) && slash + 1 < shared.length
    ? [namespace, shared.slice(slash + 1)]
    : [undefined, shared];
}

export function findIngest(rows: Rows, namespace: string, ref: string): IngestRecord | undefined {
  return rows.get<IngestRecord>('SELECT digest, token FROM ingest WHERE namespace = ? AND ref = ?', namespace, ref);
}

export function putIngest(
  transaction: Transaction,
  namespace: string,
  ref: string,
  { digest, token }: IngestRecord,
): void {
  const now = Timestamp.now().nanoseconds;
  transaction.run('INSERT OR REPLACE INTO ingest VALUES (?, ?, ?, ?, ?)', namespace, ref, digest, token, now);
}

/** As {@link removeIngest}, by itself: a note that means nothing after a crash. */
export function forgetIngest(database: Database, namespace: string, ref: string, token: string): Promise<void> {
  return database.write((transaction) => removeIngest(transaction, namespace, ref, token), { durable: false });
}

/** Removes the record that has this token. */
export function removeIngest(transaction: Transaction, namespace: string, ref: string, token: string): void {
  transaction.run('DELETE FROM ingest WHERE namespace = ? AND ref = ? AND token = ?', namespace, ref, token);
}
