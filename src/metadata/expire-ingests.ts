import { ifFound } from '../errors.ts';
import type { Timestamp } from '../spec/timestamp.ts';
import type { CollectOptions, Removed } from './collection.ts';
import type { Rows } from './database.ts';
import { findIngest, forgetIngest, ownerOf, recordGrace, sharedRef } from './ingests.ts';
import type { OpenParts } from './parts.ts';

/** Removes ingests that nobody has open, that were not written to since `before` and that no lease holds. */
export async function expireIngests(
  parts: OpenParts,
  now: Timestamp,
  before: Timestamp,
  { dryRun, signal }: CollectOptions,
  report: (removed: Removed) => void,
): Promise<void> {
  for await (const { ref: shared, offset, updatedAt, active } of parts.local.statuses()) {
    signal?.throwIfAborted();
    const [namespace, ref] = ownerOf(shared);
    if (namespace === undefined || active || updatedAt.nanoseconds >= before.nanoseconds) continue;
    if (isHeld(parts.database, namespace, ref, now)) continue;
    if (dryRun || (await expire(parts, namespace, ref, before)))
      report({ type: 'ingest', namespace, id: ref, size: offset });
  }
  if (dryRun) return;
  await parts.local.ingests.removeDebris(before);
  await forgetRecords(parts, now, before);
}

async function expire(
  { database, local }: OpenParts,
  namespace: string,
  ref: string,
  before: Timestamp,
): Promise<boolean> {
  const record = findIngest(database, namespace, ref);
  if (!(await local.ingests.expire(sharedRef(namespace, ref), before))) return false;
  if (record !== undefined) await forgetIngest(database, namespace, ref, record.token);
  return true;
}

interface RecordRow {
  readonly namespace: string;
  readonly ref: string;
  readonly token: string;
}

/** Removes records whose ingest a crash took. */
async function forgetRecords({ database, local }: OpenParts, now: Timestamp, before: Timestamp): Promise<void> {
  const grace = now.nanoseconds - BigInt(recordGrace) * 1_000_000n;
  const old = database.all<RecordRow>(
    'SELECT namespace, ref, token FROM ingest WHERE updated_at < ?',
    before.nanoseconds < grace ? before.nanoseconds : grace,
  );
  for (const { namespace, ref, token } of old) {
    if (isHeld(database, namespace, ref, now)) continue;
    if ((await ifFound(local.status(sharedRef(namespace, ref)))) !== undefined) continue;
    await forgetIngest(database, namespace, ref, token);
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
