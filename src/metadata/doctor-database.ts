import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { rename } from '../content/local/rename.ts';
import { databaseFailure } from '../content/local/sqlite.ts';
import { ifThere, is } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';
import type { BlobFiles } from './blob-files.ts';
import { madeAt } from './blobs.ts';
import { Database, type Rows, type Transaction } from './database.ts';

/**
 * What is wrong with a database; undefined when nothing is.
 * @throws DrayError what opening it throws but `data-loss`.
 */
export async function damageOf(path: string): Promise<string | undefined> {
  try {
    await using database = await Database.open(path, 'full');
    return check(database);
  } catch (error) {
    if (is(error, 'data-loss')) return error.message;
    throw error;
  }
}

function check(rows: Rows): string | undefined {
  const checks = rows.all<Record<string, unknown>>('PRAGMA quick_check(1)');
  const answer = Object.values(checks[0] ?? {})[0];
  if (answer !== 'ok') return String(answer);
  const [orphan] = rows.all<{ table: string }>('PRAGMA foreign_key_check');
  return orphan === undefined ? undefined : `a row of ${orphan.table} belongs to nothing`;
}

/**
 * Sets a damaged database aside and makes a new one of what can still be read. Blobs whose entries are lost stay on disk as
 * files from before the database, so that a pull takes them up again without a transfer. Nobody else may use the store.
 */
export async function salvage(path: string, files: BlobFiles): Promise<{ detail: string; repaired: true }> {
  const aside = await setAside(path);
  await using database = await Database.open(path, 'full');
  const rows = await database.write((transaction) => {
    const copied = copyAll(aside, transaction);
    // Files that have an entry again are the store's again, not older than it.
    for (const { digest } of transaction.all<{ digest: Digest }>('SELECT DISTINCT digest FROM blob'))
      if (files.size(digest) !== undefined) files.touchNow(digest, madeAt(transaction));
    return copied;
  });
  return { detail: `${rows} rows kept, the damaged file is ${aside}`, repaired: true };
}

/** Gives a damaged database another name, and returns that. Nobody else may use the store. */
export async function setAside(path: string): Promise<string> {
  const aside = `${path}.damaged-${new Date().toISOString().replace(/[:.]/g, '')}`;
  for (const suffix of ['', '-wal', '-shm']) await ifThere(rename(path + suffix, aside + suffix));
  return aside;
}

/** Tables that start anew. */
const notKept = ['store', 'event', 'ingest'];

function copyAll(source: string, target: Transaction): number {
  using damaged = openDamaged(source);
  if (damaged === undefined) return 0;
  return target
    .all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'")
    .filter(({ name }) => !notKept.includes(name))
    .reduce((copied, { name }) => copied + copyTable(damaged, target, name), 0);
}

// From both ends, since a reader does not get past a damaged page.
function copyTable(damaged: DatabaseSync, target: Transaction, table: string): number {
  const info = target.all<{ name: string }>(`SELECT name FROM pragma_table_info('${table}')`);
  const columns = info.map(({ name }) => `"${name}"`).join(', ');
  const insert = `INSERT OR IGNORE INTO "${table}" (${columns}) VALUES (${info.map(() => '?').join(', ')})`;
  const namespace = info.findIndex(({ name }) => name === 'namespace');
  let copied = 0;
  for (const order of ['ASC', 'DESC']) {
    for (const row of readable(damaged, `SELECT ${columns} FROM "${table}" ORDER BY 1 ${order}`)) {
      if (namespace >= 0) target.run("INSERT OR IGNORE INTO namespace VALUES (?, '{}')", row[namespace] ?? null);
      copied += insertIfFits(target, insert, row);
    }
  }
  return copied;
}

// A row may have lost what it belongs to.
function insertIfFits(target: Transaction, sql: string, row: readonly SQLInputValue[]): number {
  try {
    return target.run(sql, ...row);
  } catch (error) {
    if (is(error, 'failed-precondition')) return 0;
    throw error;
  }
}

function* readable(damaged: DatabaseSync, sql: string): Generator<readonly SQLInputValue[]> {
  try {
    const statement = damaged.prepare(sql);
    statement.setReturnArrays(true);
    statement.setReadBigInts(true);
    yield* statement.iterate() as Iterable<unknown> as Iterable<readonly SQLInputValue[]>;
  } catch (error) {
    if (!is(databaseFailure(error, ''), 'data-loss') && !is(databaseFailure(error, ''), 'internal')) throw error;
  }
}

function openDamaged(path: string): DatabaseSync | undefined {
  try {
    return new DatabaseSync(path, { readOnly: true });
  } catch (error) {
    if (is(databaseFailure(error, path), 'data-loss')) return undefined;
    throw error;
  }
}
