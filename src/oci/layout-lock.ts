import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isBusy } from '../content/local/sqlite.ts';
import type { AbortableOptions } from '../content/store.ts';
import { whenFree } from '../content/when-free.ts';
import { DrayError, ifThere } from '../errors.ts';

/** The name of the lock file in a layout. It stays there, empty. */
const lockName = '.lock';

/**
 * Runs something while no other process that asks for the same lock does. The lock is the kernel's and goes with the process,
 * however that ends.
 * @throws DrayError `failed-precondition` when something else has the name of the lock; what `run` throws; the signal's reason
 * while waiting.
 */
export async function withLock<T>(
  directory: string,
  run: () => Promise<T>,
  options: AbortableOptions = {},
): Promise<T> {
  const path = join(directory, lockName);
  await checkLock(path);
  using _ = await whenFree(() => lock(path), { isTaken: isBusy, longestPause: 100, signal: options.signal });
  return await run();
}

// A layout may come from anywhere: a link would lead the database to another file, and what a database says it would do.
async function checkLock(path: string): Promise<void> {
  const found = await ifThere(lstat(path));
  if (found === undefined || (found.isFile() && found.size === 0)) return;
  throw new DrayError('failed-precondition', `${path} is not the lock of a layout`, {
    side: 'target',
    path,
    hint: 'the lock is an empty file; remove what is there if no other program needs it',
  });
}

function lock(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
