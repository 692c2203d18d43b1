import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Paths } from './paths.ts';
import { databaseFailure, isBusy, makePrivate } from './sqlite.ts';

const youngMilliseconds = 60 * 60 * 1000;

/**
 * Who writes to a store: processes, or rather stores opened by them. Each holds an exclusive lock on a file of its own for as
 * long as it lives; the kernel drops the lock with the process, however that ends, so a dead owner is recognised without a
 * clock, a process id or anybody's help, and a live one cannot be mistaken.
 */
export class Owners implements Disposable {
  readonly #paths: Paths;
  #own: { readonly id: string; readonly lock: DatabaseSync } | undefined;

  constructor(paths: Paths) {
    this.#paths = paths;
  }

  /** The id of this owner, which is alive from the first call on. */
  own(): string {
    this.#own ??= this.#begin();
    return this.#own.id;
  }

  isOwn(id: string): boolean {
    return this.#own?.id === id;
  }

  isAlive(id: string): boolean {
    if (isLocked(this.#paths.owner(id))) return true;
    this.#remove(id);
    return false;
  }

  #begin(): { id: string; lock: DatabaseSync } {
    const id = randomUUID();
    mkdirSync(this.#paths.owners, { recursive: true, mode: 0o700 });
    this.#sweep();
    makePrivate(this.#paths.owner(id));
    const lock = new DatabaseSync(this.#paths.owner(id), { timeout: 1000 });
    try {
      lock.exec('BEGIN EXCLUSIVE');
      return { id, lock };
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  // Locks of processes that were killed. A young file may belong to somebody who is about to lock it.
  #sweep(): void {
    for (const name of readdirSync(this.#paths.owners)) {
      const id = basename(name, '.lock');
      const path = this.#paths.owner(id);
      const found = statSync(path, { throwIfNoEntry: false });
      if (found !== undefined && Date.now() - found.mtimeMs > youngMilliseconds && !isLocked(path)) this.#remove(id);
    }
  }

  // A file that nobody has locked says that its owner is gone, and whoever sees it removes it: where it cannot be done now, as on
  // Windows while another process looks whether it is locked, it is done later.
  #remove(id: string): void {
    try {
      rmSync(this.#paths.owner(id), { force: true });
    } catch {
      // Told by nobody, since it hinders nobody.
    }
  }

  [Symbol.dispose](): void {
    if (this.#own === undefined) return;
    const { id, lock } = this.#own;
    this.#own = undefined;
    lock.close();
    this.#remove(id);
  }
}

// A file that is gone has no owner; somebody else may remove it while we look. It is read, so that nobody makes it anew.
function isLocked(path: string): boolean {
  if (!isFile(path)) return false;
  try {
    using database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    database.exec('SELECT 1 FROM sqlite_schema');
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    if (!isFile(path)) return false;
    throw databaseFailure(error, path);
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
