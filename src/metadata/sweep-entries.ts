import type { Timestamp } from '../spec/timestamp.ts';
import type { CollectOptions, Removed } from './collection.ts';
import type { Database, Rows, Transaction } from './database.ts';
import { pruneEvents } from './events.ts';
import { mark, unreached } from './mark.ts';
import { pages } from './pages.ts';
import type { OpenParts } from './parts.ts';
import type { Steps } from './steps.ts';

/** What is going to be removed, kept apart so that it can be told after the lock was given back. */
const garbage = `CREATE TEMP TABLE IF NOT EXISTS garbage (
  position INTEGER PRIMARY KEY, type TEXT, namespace TEXT, id TEXT, size INTEGER
)`;

interface GarbageRow {
  readonly position: bigint;
  readonly type: Removed['type'];
  readonly namespace: string | null;
  readonly id: string;
  readonly size: bigint | null;
}

/** Marks what is needed and removes the entries of the rest, in one transaction: nobody changes what it looks at. A dry run locks nobody out. */
export async function sweepEntries(
  { database }: Pick<OpenParts, 'database'>,
  now: Timestamp,
  { dryRun, signal }: CollectOptions,
  report: (removed: Removed) => void,
): Promise<void> {
  const steps = function* (transaction: Transaction): Steps {
    yield* mark(transaction, { now });
    yield* listGarbage(transaction, now);
    if (dryRun) listFreedFiles(transaction);
    else yield* remove(transaction, now);
  };
  await (dryRun ? database.readInSteps(steps, { signal }) : database.writeInSteps(steps, { signal }));
  for await (const { type, namespace, id, size } of garbageOf(database)) {
    report({ type, namespace: namespace ?? undefined, id, size: size === null ? undefined : Number(size) });
  }
}

function* listGarbage(transaction: Transaction, now: Timestamp): Steps {
  transaction.run(garbage);
  transaction.run('DELETE FROM temp.garbage');
  const columns = 'INSERT INTO temp.garbage (type, namespace, id, size)';
  transaction.run(`${columns} SELECT 'lease', namespace, id, NULL FROM lease WHERE expires_at < ?`, now.nanoseconds);
  transaction.run(
    `${columns} SELECT 'image', namespace, name, NULL FROM image WHERE ${unreached('image', 'images', 'name')}`,
  );
  for (let key: BlobKey | undefined = beforeAll; key !== undefined; key = lastOfStep(transaction, key)) {
    yield;
    transaction.run(
      `${columns} SELECT 'content', namespace, digest, size FROM (SELECT * ${rowsOfStep}) blob
       WHERE ${unreached('blob', 'content', 'digest')}`,
      key.namespace,
      key.digest,
    );
  }
}

interface BlobKey {
  readonly namespace: string;
  readonly digest: string;
}

const beforeAll: BlobKey = { namespace: '', digest: '' };

/** Takes the key that they come after. */
const rowsOfStep = 'FROM blob WHERE (namespace, digest) > (?, ?) ORDER BY namespace, digest LIMIT 1000';

function lastOfStep(rows: Rows, { namespace, digest }: BlobKey): BlobKey | undefined {
  const sql = `SELECT * FROM (SELECT namespace, digest ${rowsOfStep}) ORDER BY namespace DESC, digest DESC LIMIT 1`;
  return rows.get<BlobKey>(sql, namespace, digest);
}

const removedInStep = 500n;

function* remove(transaction: Transaction, now: Timestamp): Steps {
  transaction.run('DELETE FROM lease WHERE expires_at < ?', now.nanoseconds);
  const listed = (type: string): string => `SELECT namespace, id FROM temp.garbage WHERE type = '${type}'`;
  transaction.run(`DELETE FROM image WHERE (namespace, name) IN (${listed('image')})`);
  const { count } = transaction.get<{ count: bigint }>('SELECT count(*) AS count FROM temp.garbage') ?? { count: 0n };
  for (let after = 0n; after < count; after += removedInStep) {
    yield;
    const sql = `DELETE FROM blob WHERE (namespace, digest) IN (${listed('content')} AND position > ? AND position <= ?)`;
    transaction.run(sql, after, after + removedInStep);
  }
  yield;
  transaction.run(
    `INSERT INTO event (timestamp, namespace, topic, fields)
     SELECT ?, namespace,
       CASE type WHEN 'lease' THEN '/leases/delete' WHEN 'image' THEN '/images/delete' ELSE '/content/delete' END,
       json_object(CASE type WHEN 'lease' THEN 'id' WHEN 'image' THEN 'name' ELSE 'digest' END, id)
     FROM temp.garbage ORDER BY position`,
    now.nanoseconds,
  );
  pruneEvents(transaction);
}

/** Files that no namespace would need any more, for who only asks. */
function listFreedFiles(transaction: Transaction): void {
  transaction.run(
    `INSERT INTO temp.garbage (type, id, size)
     SELECT 'file', id, max(size) FROM temp.garbage g WHERE type = 'content'
     AND NOT EXISTS (SELECT 1 FROM ingest WHERE digest = g.id)
     GROUP BY id HAVING count(*) = (SELECT count(*) FROM blob WHERE digest = g.id)`,
  );
}

function garbageOf(database: Database): AsyncGenerator<GarbageRow> {
  return pages<GarbageRow, 'position'>(database, {
    select: 'SELECT * FROM temp.garbage',
    where: 'TRUE',
    values: [],
    key: 'position',
  });
}
