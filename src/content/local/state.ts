import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { DatabaseSync, type DatabaseSyncOptions, type StatementSync } from 'node:sqlite';
import { DrayError } from '../../errors.ts';
import type { Digest } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { locked } from '../outcomes.ts';
import type { Labels } from '../store.ts';
import type { Paths } from './paths.ts';
import { isMountedReadOnly, mountedReadOnly, openDatabase } from './read-only.ts';
import { databaseFailure, isBusy, makePrivate } from './sqlite.ts';

/** The labels of a blob and when they were changed last. */
export interface LabelRecord {
  readonly labels: Labels;
  readonly updatedAt: Timestamp;
}

const options: DatabaseSyncOptions = { timeout: 10_000, readBigInts: true };

const schema = `
  CREATE TABLE IF NOT EXISTS ingest_owner (key TEXT PRIMARY KEY, owner TEXT NOT NULL, claimed_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS blob_label (digest TEXT PRIMARY KEY, labels TEXT NOT NULL, updated_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/**
 * What a local store knows besides its files: who owns which ingest, and labels.
 *
 * Owners are processes, or rather stores opened by them. Each holds an exclusive lock on a file of its own for as long as
 * it lives; the kernel drops the lock with the process, however that ends, so a dead owner is recognised without a clock,
 * a process id or anybody's help, and a live one cannot be mistaken. Who wants an ingest decides it in one transaction.
 */
export class State implements Disposable {
  readonly #paths: Paths;
  readonly #held = new Set<string>();
  #id = '';
  #alive: DatabaseSync | undefined;
  #database: DatabaseSync | undefined;
  #statements: Statements | undefined;
  #isClosed = false;
  #isReadOnly = false;

  constructor(paths: Paths) {
    this.#paths = paths;
  }

  /**
   * Makes this store the owner of an ingest until {@link release}.
   * @throws DrayError `unavailable`, reason `locked`, while it has a living owner, this one included; `resource-exhausted`,
   * reason `disk-full`; `permission-denied` on a file system that is mounted read-only.
   */
  claim(key: string, ref: string): Claim {
    return this.#guard(() => this.#claim(key, ref));
  }

  #claim(key: string, ref: string): Claim {
    const { owner, claim, take } = this.#open();
    if (this.#isReadOnly) throw mountedReadOnly(this.#paths.state);
    this.#stayAlive();
    const isFree = Number(claim.run(key, this.#id, Timestamp.now().nanoseconds).changes) === 1;
    if (!isFree)
      this.#transaction(() => {
        const row = owner.get(key) as { owner: string; claimed_at: bigint } | undefined;
        if (row !== undefined && this.#isHeld(key, row.owner)) throw locked(ref, new Timestamp(row.claimed_at));
        take.run(key, this.#id, Timestamp.now().nanoseconds);
      });
    this.#held.add(key);
    let isHeld = true;
    return {
      release: () => {
        const wasHeld = isHeld;
        isHeld = false;
        if (wasHeld) this.#guard(() => this.#release(key));
      },
    };
  }

  /** Whether an ingest has a living owner; none has where nobody can write. */
  isOwned(key: string): boolean {
    const row = this.#guard(() => this.#open().owner.get(key)) as { owner: string } | undefined;
    return row !== undefined && !this.#isReadOnly && this.#isHeld(key, row.owner);
  }

  labels(digest: Digest): LabelRecord | undefined {
    const row = this.#guard(() => this.#open().labels.get(digest)) as
      | { labels: string; updated_at: bigint }
      | undefined;
    return row === undefined ? undefined : { labels: JSON.parse(row.labels), updatedAt: new Timestamp(row.updated_at) };
  }

  /** Changes labels in one step, as seen by every process. */
  changeLabels(digest: Digest, change: (current: Labels) => Labels): LabelRecord {
    const { labels, label } = this.#open();
    return this.#guard(() =>
      this.#transaction(() => {
        const row = labels.get(digest) as { labels: string } | undefined;
        const record = { labels: change(row === undefined ? {} : JSON.parse(row.labels)), updatedAt: Timestamp.now() };
        label.run(digest, JSON.stringify(record.labels), record.updatedAt.nanoseconds);
        return record;
      }),
    );
  }

  forget(digest: Digest): void {
    this.#guard(() => this.#open().unlabel.run(digest));
  }

  [Symbol.dispose](): void {
    for (const key of [...this.#held]) this.#release(key);
    this.#isClosed = true;
    this.#database?.close();
    this.#database = undefined;
    this.#statements = undefined;
    if (this.#alive === undefined) return;
    this.#alive.close();
    this.#alive = undefined;
    rmSync(this.#paths.owner(this.#id), { force: true });
  }

  #release(key: string): void {
    if (this.#held.delete(key)) this.#open().leave.run(key, this.#id);
  }

  #open(): Statements {
    if (this.#statements !== undefined) return this.#statements;
    // Whoever comes late would hold its files until the process ends.
    if (this.#isClosed) throw closed();
    this.#isReadOnly = isMountedReadOnly(this.#paths.root);
    const database = this.#isReadOnly ? this.#openReadOnly() : this.#openOrMake();
    try {
      this.#statements = prepare(database);
    } catch (error) {
      database.close();
      throw error;
    }
    this.#database = database;
    return this.#statements;
  }

  // A store that nobody wrote large blobs to has none, and then there is nothing to know.
  #openReadOnly(): DatabaseSync {
    if (existsSync(this.#paths.state)) return openDatabase(this.#paths.state, options);
    const database = new DatabaseSync(':memory:', options);
    database.exec(schema);
    return database;
  }

  #openOrMake(): DatabaseSync {
    mkdirSync(this.#paths.root, { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(this.#paths.state, options);
    try {
      makePrivate(this.#paths.state);
      enterWal(database);
      database.exec(schema);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #stayAlive(): void {
    if (this.#alive !== undefined) return;
    this.#id = randomUUID();
    mkdirSync(this.#paths.owners, { recursive: true, mode: 0o700 });
    this.#sweepOwners();
    const database = new DatabaseSync(this.#paths.owner(this.#id), { timeout: 1000 });
    makePrivate(this.#paths.owner(this.#id));
    database.exec('BEGIN EXCLUSIVE');
    this.#alive = database;
  }

  // Locks of processes that were killed. A young file may belong to somebody who is about to lock it.
  #sweepOwners(): void {
    for (const name of readdirSync(this.#paths.owners)) {
      const path = this.#paths.owner(basename(name, '.lock'));
      const found = statSync(path, { throwIfNoEntry: false });
      if (found !== undefined && Date.now() - found.mtimeMs > youngMilliseconds && !isLocked(path))
        rmSync(path, { force: true });
    }
  }

  // A row of this store that it does not hold is one that it could not remove.
  #isHeld(key: string, owner: string): boolean {
    return owner === this.#id ? this.#held.has(key) : this.#isAlive(owner);
  }

  #isAlive(owner: string): boolean {
    const path = this.#paths.owner(owner);
    if (isLocked(path)) return true;
    rmSync(path, { force: true });
    return false;
  }

  #transaction<T>(run: () => T): T {
    const database = this.#database;
    if (database === undefined) throw closed();
    database.exec('BEGIN IMMEDIATE');
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

  #guard<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw databaseFailure(error, this.#paths.state);
    }
  }
}

/** The right to write one ingest. */
export interface Claim {
  /** Gives it back; a second call does nothing. */
  release(): void;
}

interface Statements {
  readonly owner: StatementSync;
  readonly claim: StatementSync;
  readonly take: StatementSync;
  readonly leave: StatementSync;
  readonly labels: StatementSync;
  readonly label: StatementSync;
  readonly unlabel: StatementSync;
}

function prepare(database: DatabaseSync): Statements {
  return {
    owner: database.prepare('SELECT owner, claimed_at FROM ingest_owner WHERE key = ?'),
    claim: database.prepare('INSERT OR IGNORE INTO ingest_owner VALUES (?, ?, ?)'),
    take: database.prepare('INSERT OR REPLACE INTO ingest_owner VALUES (?, ?, ?)'),
    leave: database.prepare('DELETE FROM ingest_owner WHERE key = ? AND owner = ?'),
    labels: database.prepare('SELECT labels, updated_at FROM blob_label WHERE digest = ?'),
    label: database.prepare('INSERT OR REPLACE INTO blob_label VALUES (?, ?, ?)'),
    unlabel: database.prepare('DELETE FROM blob_label WHERE digest = ?'),
  };
}

function closed(): DrayError {
  return new DrayError('failed-precondition', 'the content store is closed', { side: 'store' });
}

const youngMilliseconds = 60 * 60 * 1000;
const sqliteBusy = 5;
const sqliteCannotOpen = 14;

// SQLite does not wait for others that do the same just now.
function enterWal(database: DatabaseSync): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; ; attempt += 1) {
    try {
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
      return;
    } catch (error) {
      if (!isBusy(error) || attempt === 1000) throw error;
    }
    Atomics.wait(pause, 0, 0, 5);
  }
}

function isLocked(path: string): boolean {
  let database: DatabaseSync | undefined;
  try {
    // Read-write without creating: a file that is gone has no owner.
    database = new DatabaseSync(`file:${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}?mode=rw`, { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
    return false;
  } catch (error) {
    const code = (error as { errcode?: number }).errcode;
    if (code === sqliteBusy) return true;
    if (code === sqliteCannotOpen) return false;
    throw error;
  } finally {
    database?.close();
  }
}
