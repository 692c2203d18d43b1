import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type DatabaseSyncOptions } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { codeOf, DrayError } from '../../errors.ts';

/** A store on a file system that is mounted read-only can be read; whoever wants to change it is told so. */

/** Whether nobody on this machine can change a directory, since its file system is mounted read-only. */
export function isMountedReadOnly(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return false;
  } catch (error) {
    return codeOf(error) === 'EROFS';
  }
}

/** `permission-denied`: a change to something on a file system that is mounted read-only. */
export function mountedReadOnly(path: string): DrayError {
  return new DrayError('permission-denied', `${dirname(path)} is on a file system that is mounted read-only`, {
    side: 'store',
    path,
    hint: 'mount it for writing, or copy the store to another place and change it there',
  });
}

/** Opens a database, for reading alone where its file system is mounted read-only. */
export function openDatabase(path: string, options: DatabaseSyncOptions): DatabaseSync {
  return isMountedReadOnly(dirname(path)) ? openMountedReadOnly(path, options) : new DatabaseSync(path, options);
}

/**
 * Opens a database on a file system that is mounted read-only. SQLite has to be told that it need not lock such a one, unless
 * somebody left a log beside it, which it then reads with what it shares.
 */
export function openMountedReadOnly(path: string, options: DatabaseSyncOptions): DatabaseSync {
  const url = pathToFileURL(path);
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  if (log === undefined || log.size === 0) url.searchParams.set('immutable', '1');
  return new DatabaseSync(url, { ...options, readOnly: true });
}
