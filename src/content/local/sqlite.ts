import { closeSync, openSync, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { DrayError, type ErrorKind, type ErrorReason, is } from '../../errors.ts';
import { openDatabase } from './read-only.ts';

/** What a code of SQLite means to a caller (sqlite.org/rescode.html): an extended code, or the low byte of all others. */
const kinds: Readonly<Record<number, { kind: ErrorKind; reason?: ErrorReason; hint?: string }>> = {
  5: { kind: 'unavailable', reason: 'locked', hint: 'another process is at work on the store: try again' },
  6: { kind: 'unavailable', reason: 'locked', hint: 'another process is at work on the store: try again' },
  7: { kind: 'resource-exhausted', hint: 'the machine is out of memory' },
  8: { kind: 'permission-denied', hint: 'the database or its directory is read-only: check owner, mode and mount' },
  10: { kind: 'unavailable', hint: 'the disk failed: look at the log of the system, then run dray doctor' },
  11: { kind: 'data-loss', hint: 'the database is damaged: run dray doctor, or put back a backup' },
  13: { kind: 'resource-exhausted', reason: 'disk-full', hint: 'free some space, then run it again' },
  14: {
    kind: 'permission-denied',
    hint: 'the database cannot be opened: check owner and mode of its directory, and whether it is mounted read-only',
  },
  19: { kind: 'failed-precondition' },
  // SQLITE_IOERR_SHMSIZE: no room for what the processes at a database share.
  4874: { kind: 'resource-exhausted', reason: 'disk-full', hint: 'free some space, then run it again' },
  26: { kind: 'data-loss', hint: 'the file is no database: run dray doctor, or put back a backup' },
};

/** An error of SQLite as a caller should see it; all others (dray's own, a signal's reason) pass unchanged. */
export function databaseFailure(error: unknown, path: string): unknown {
  const code = sqliteCode(error);
  if (code === undefined) return error;
  const known = kinds[code] ?? kinds[code & 0xff];
  const message = error instanceof Error ? error.message : String(error);
  return new DrayError(known?.kind ?? 'internal', `database of the store: ${message}`, {
    reason: known?.reason,
    hint: known?.hint,
    side: 'store',
    path,
    cause: error,
  });
}

/**
 * What is wrong with the pages of a database; undefined when nothing is, or it is not there.
 * @throws DrayError what opening it throws but `data-loss`.
 */
export function pageDamage(path: string): string | undefined {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  try {
    using database = openDatabase(path, { timeout: 10_000 });
    return damageIn(database);
  } catch (error) {
    const failure = databaseFailure(error, path);
    if (is(failure, 'data-loss')) return failure.message;
    throw failure;
  }
}

/** As {@link pageDamage}, of a database that is open. @throws what SQLite does. */
export function damageIn(database: DatabaseSync): string | undefined {
  const answer = pragma(database, 'quick_check(1)');
  return answer === 'ok' ? undefined : String(answer);
}

/** What SQLite answers to a pragma. */
export function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

/** Runs something between `begin` and a commit, or takes it back. */
export function inTransaction<T>(database: DatabaseSync, begin: 'BEGIN' | 'BEGIN IMMEDIATE', run: () => T): T {
  database.exec(begin);
  try {
    const result = run();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite has taken it back itself when the disk is full.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Whether another connection has the lock that was asked for. */
export function isBusy(error: unknown): boolean {
  const code = (sqliteCode(error) ?? 0) & 0xff;
  return code === 5 || code === 6;
}

/** SQLite's own code of an error, with what extends it; undefined for other errors. */
function sqliteCode(error: unknown): number | undefined {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  return code === 'ERR_SQLITE_ERROR' && typeof errcode === 'number' ? errcode : undefined;
}

/**
 * Makes the file of a database for its owner alone, unless it is there; what SQLite adds to it takes its mode. Before SQLite
 * opens it: to close a file drops the locks that this process has on it, and nobody has one on a new file.
 */
export function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch {
    // Whatever is in the way is in SQLite's as well, which tells it better.
  }
}
