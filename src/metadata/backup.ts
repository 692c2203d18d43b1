import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backup as copyPages, DatabaseSync } from 'node:sqlite';
import { Durability } from '../content/local/durable.ts';
import { storeFailure } from '../content/local/failure.ts';
import { openDatabase } from '../content/local/read-only.ts';
import { damageIn, databaseFailure } from '../content/local/sqlite.ts';
import { codeOf, DrayError } from '../errors.ts';

/**
 * Writes a copy of a metadata database to a new file, as it is at one moment, while anybody uses it, and looks it over. Names,
 * labels and leases are in it, not the blobs; put in place of a lost `metadata.db` beside the blobs it makes the store whole.
 * @throws DrayError `already-exists` when there is a file; `data-loss` when the database is damaged; `resource-exhausted`.
 */
export async function backupDatabase(source: string, path: string): Promise<void> {
  const handle = await create(path);
  try {
    await copyDatabase(source, path);
    check(path);
    await handle.sync();
    await new Durability('full').directory(dirname(path));
  } catch (error) {
    await rm(path, { force: true });
    throw databaseFailure(error, path);
  } finally {
    await handle.close();
  }
}

async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw storeFailure(error, `back up to ${path}`);
    throw new DrayError('already-exists', `${path} exists`, { path, hint: 'choose a new file for the backup' });
  }
}

async function copyDatabase(source: string, path: string): Promise<void> {
  // A connection of its own: that of the store goes on writing.
  using connection = openDatabase(source, { readOnly: true, timeout: 5_000 });
  // All pages in one step: with several, every change meanwhile would make it start over.
  await copyPages(connection, path, { rate: 2 ** 31 - 1 });
}

function check(path: string): void {
  using connection = new DatabaseSync(path);
  // One file that needs none beside it.
  connection.exec('PRAGMA journal_mode = DELETE');
  const damage = damageIn(connection);
  if (damage !== undefined)
    throw new DrayError('data-loss', `the database is damaged: ${damage}`, { side: 'store', path });
}
