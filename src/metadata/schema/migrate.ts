import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, pragma } from '../../content/local/sqlite.ts';
import { DrayError } from '../../errors.ts';
import type { Migration } from './migration.ts';
import { migrations } from './migrations.ts';

/** The four bytes that mark a database as dray's ("dray"). */
const applicationId = 0x64726179;

/**
 * Brings a database to the newest schema, in one transaction: it is there whole or not at all, whoever else opens it at the
 * same moment. The caller retries when the database is busy.
 * @throws DrayError `failed-precondition` when it was made by a newer release or is not dray's; nothing is changed then.
 */
export function migrate(database: DatabaseSync, steps: readonly Migration[] = migrations): void {
  if (checkSchema(database, steps.length) === steps.length) return;
  inTransaction(database, 'BEGIN IMMEDIATE', () => {
    const version = versionOf(database, steps.length);
    for (const step of steps.slice(version)) database.exec(step.sql);
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length};`);
  });
}

/**
 * The schema's version of a database, looked at without touching it.
 * @throws DrayError as {@link migrate} does.
 */
export function checkSchema(database: DatabaseSync, newest: number = migrations.length): number {
  // Others may be making it just now.
  return inTransaction(database, 'BEGIN', () => versionOf(database, newest));
}

/**
 * For a database that cannot be changed.
 * @throws DrayError as {@link migrate} does; `failed-precondition` when its schema is older than the newest.
 */
export function checkNewest(database: DatabaseSync): void {
  const newest = migrations.length;
  const version = checkSchema(database, newest);
  if (version === newest) return;
  const message = `the store has schema ${version}, and cannot be brought to ${newest} here`;
  throw new DrayError('failed-precondition', message, { side: 'store', hint: 'open it once where it can be written' });
}

function versionOf(database: DatabaseSync, newest: number): number {
  const owner = Number(pragma(database, 'application_id'));
  const version = Number(pragma(database, 'user_version'));
  if (owner !== applicationId && (owner !== 0 || version !== 0 || Number(pragma(database, 'schema_version')) !== 0)) {
    throw new DrayError('failed-precondition', 'the database is not one of dray', {
      side: 'store',
      hint: 'choose another root, or move the file away',
    });
  }
  if (version > newest) {
    throw new DrayError('failed-precondition', `the store has schema ${version}, this dray knows up to ${newest}`, {
      side: 'store',
      hint: 'a newer dray has used it: use that one here as well',
    });
  }
  return version;
}
