import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AbortableOptions } from '../content/store.ts';

/** The name of the lock file in a layout. It stays there, empty. */
export const lockName = '.lock';

const sqliteBusy = 5;

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
  const lock = await acquire(join(directory, lockName), options);
  try {
    return await run();
  } finally {
    lock.close();
  }
}

async function acquire(path: string, { signal }: AbortableOptions): Promise<DatabaseSync> {
  for (let pause = 2; ; pause = Math.min(pause * 2, 100)) {
    signal?.throwIfAborted();
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    // Given up while it waits: the loop tells with the reason.
    await sleep(pause / 2 + Math.random() * (pause / 2), undefined, { signal }).catch(() => {});
  }
}

function tryLock(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === sqliteBusy) return undefined;
    throw error;
  }
}
