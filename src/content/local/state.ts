import { existsSync, mkdirSync } from 'node:fs';
import { DatabaseSync, type DatabaseSyncOptions, type StatementSync } from 'node:sqlite';
import { DrayError } from '../../errors.ts';
import type { Digest } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { locked } from '../outcomes.ts';
import type { Labels } from '../store.ts';
import type { Durability } from './durable.ts';
import { Owners } from './owners.ts';
import type { Paths } from './paths.ts';
import { isMountedReadOnly, mountedReadOnly, openMountedReadOnly } from './read-only.ts';
import { databaseFailure, inTransaction, isBusy, makePrivate } from './sqlite.ts';

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
 * What a local store knows besides its files: which of its {@link Owners} has which ingest, and labels. Who wants an ingest
 * decides it in one transaction.
 */
export class State implements Disposable {
  readonly #paths: Paths;
  readonly #durability: Durability;
  readonly #owners: Owners;
  readonly #held = new Set<string>();
  #database: DatabaseSync | undefined;
  #statements: Statements | undefined;
  #isClosed = false;
  #isReadOnly = false;

  constructor(paths: Paths, durability: Durability) {
    this.#paths = paths;
    this.#durability = durability;
    this.#owners = new Owners(paths);
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
    const id = this.#owners.own();
    const isFree = Number(claim.run(key, id, Timestamp.now().nanoseconds).changes) === 1;
    if (!isFree)
      inTransaction(this.#connection, 'BEGIN IMMEDIATE', () => {
        const row = owner.get(key) as { owner: string; claimed_at: bigint } | undefined;
        if (row !== undefined && this.#isHeld(key, row.owner)) throw locked(ref, new Timestamp(row.claimed_at));
        take.run(key, id, Timestamp.now().nanoseconds);
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

  /** Changes labels in one step, as seen by every process, and flushes them. */
  changeLabels(digest: Digest, change: (current: Labels) => Labels): LabelRecord {
    return this.#guard(() => {
      const { labels, label } = this.#open();
      return this.#flushed(() =>
        inTransaction(this.#connection, 'BEGIN IMMEDIATE', () => {
          const row = labels.get(digest) as { labels: string } | undefined;
          const known = row === undefined ? {} : JSON.parse(row.labels);
          const record = { labels: change(known), updatedAt: Timestamp.now() };
          label.run(digest, JSON.stringify(record.labels), record.updatedAt.nanoseconds);
          return record;
        }),
      );
    });
  }

  // Who owns an ingest means nothing after a crash, and is not worth a flush.
  #flushed<T>(run: () => T): T {
    if (this.#durability.level === 'none') return run();
    this.#connection.exec('PRAGMA synchronous = FULL');
    try {
      return run();
    } finally {
      this.#connection.exec('PRAGMA synchronous = NORMAL');
    }
  }

  forget(digest: Digest): void {
    this.#guard(() => this.#open().unlabel.run(digest));
  }

  [Symbol.dispose](): void {
    try {
      for (const key of [...this.#held]) this.#release(key);
    } catch {
      // What cannot be noted is true all the same: they have no owner without the lock that goes now.
    }
    this.#isClosed = true;
    this.#database?.close();
    this.#database = undefined;
    this.#statements = undefined;
    this.#owners[Symbol.dispose]();
  }

  #release(key: string): void {
    if (this.#held.delete(key)) this.#open().leave.run(key, this.#owners.own());
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
    if (existsSync(this.#paths.state)) return openMountedReadOnly(this.#paths.state, options);
    const database = new DatabaseSync(':memory:', options);
    database.exec(schema);
    return database;
  }

  #openOrMake(): DatabaseSync {
    mkdirSync(this.#paths.root, { recursive: true, mode: 0o700 });
    makePrivate(this.#paths.state);
    const database = new DatabaseSync(this.#paths.state, options);
    try {
      enterWal(database);
      database.exec(schema);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  // A row of this store that it does not hold is one that it could not remove.
  #isHeld(key: string, owner: string): boolean {
    return this.#owners.isOwn(owner) ? this.#held.has(key) : this.#owners.isAlive(owner);
  }

  get #connection(): DatabaseSync {
    if (this.#database === undefined) throw closed();
    return this.#database;
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

// SQLite does not wait for others that do the same just now.
function enterWal(database: DatabaseSync): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; ; attempt += 1) {
    try {
      // The last one is for macOS, which flushes to the disk's own memory otherwise.
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA fullfsync = ON;');
      return;
    } catch (error) {
      if (!isBusy(error) || attempt === 1000) throw error;
    }
    Atomics.wait(pause, 0, 0, 5);
  }
}
