import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { rest } from '../content/abort.ts';
import { isBusy } from '../content/local/sqlite.ts';
import type { AbortableOptions } from '../content/store.ts';

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
  using _ = await acquire(join(directory, lockName), options);
  return await run();
}

async function acquire(path: string, { signal }: AbortableOptions): Promise<DatabaseSync> {
  for (let pause = 2; ; pause = Math.min(pause * 2, 100)) {
    signal?.throwIfAborted();
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    await rest(pause / 2 + Math.random() * (pause / 2), signal);
  }
}

function tryLock(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
}
