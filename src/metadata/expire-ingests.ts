import { is } from '../errors.ts';
import type { Timestamp } from '../spec/timestamp.ts';
import type { CollectOptions, Removed } from './collect.ts';
import type { Rows } from './database.ts';
import { namespaceOf, sharedRef } from './ingests.ts';
import type { OpenParts } from './parts.ts';

type Parts = OpenParts;

/** Removes ingests that nobody has open, that were not written to since `before` and that no lease holds. */
export async function expireIngests(
  parts: Parts,
  now: Timestamp,
  before: Timestamp,
  { dryRun, signal }: CollectOptions,
  report: (removed: Removed) => void,
): Promise<void> {
  for await (const { ref: shared, offset, updatedAt, active } of parts.local.statuses()) {
    signal?.throwIfAborted();
    const [namespace, ref] = namespaceOf(shared);
    if (namespace === undefined || active || updatedAt.nanoseconds >= before.nanoseconds) continue;
    if (isHeld(parts.database, namespace, ref, now)) continue;
    if (dryRun || (await parts.local.expire(shared, before)))
      report({ type: 'ingest', namespace, id: ref, size: offset });
  }
  if (dryRun) return;
  await parts.local.removeDebris(before);
  await forgetRecords(parts, now, before);
}

interface RecordRow {
  readonly namespace: string;
  readonly ref: string;
}

// A record lives as long as its ingest, and as long as it is young: its ingest may just be turning into a blob. One that has
// been made anew meanwhile is young again.
async function forgetRecords({ database, local }: Parts, now: Timestamp, before: Timestamp): Promise<void> {
  const old = database.all<RecordRow>('SELECT namespace, ref FROM ingest WHERE updated_at < ?', before.nanoseconds);
  for (const { namespace, ref } of old) {
    if (isHeld(database, namespace, ref, now)) continue;
    const there = await local.status(sharedRef(namespace, ref)).catch((error: unknown) => {
      if (is(error, 'not-found')) return undefined;
      throw error;
    });
    if (there !== undefined) continue;
    await database.write(
      (transaction) =>
        transaction.run(
          'DELETE FROM ingest WHERE namespace = ? AND ref = ? AND updated_at < ?',
          namespace,
          ref,
          before.nanoseconds,
        ),
      { durable: false },
    );
  }
}

function isHeld(rows: Rows, namespace: string, ref: string, now: Timestamp): boolean {
  const row = rows.get(
    `SELECT 1 FROM lease_resource r JOIN lease ON lease.namespace = r.namespace AND lease.id = r.lease
     WHERE r.namespace = ? AND r.type = 'ingests' AND r.id = ? AND (expires_at IS NULL OR expires_at >= ?)`,
    namespace,
    ref,
    now.nanoseconds,
  );
  return row !== undefined;
}
