import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isBusy } from '../content/local/sqlite.ts';
import type { AbortableOptions } from '../content/store.ts';
import { whenFree } from '../content/when-free.ts';

/** The name of the lock file in a layout. It stays there, empty. */
const lockName = '.lock';

/**
 * Runs something while no other process that asks for the same lock does. The lock is the kernel's and goes with the process,
 * however that ends.
 * @throws what `run` throws; the signal's reason while waiting.
 */
export async function withLock<T>(
  directory: string,
  run: () => Promise<T>,
  options: AbortableOptions = {},
): Promise<T> {
  const path = join(directory, lockName);
  using _ = await whenFree(() => lock(path), { isTaken: isBusy, longestPause: 100, signal: options.signal });
  return await run();
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
