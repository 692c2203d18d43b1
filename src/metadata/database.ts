import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { Durability, type DurabilityLevel, SharedFlush } from '../content/local/durable.ts';
import { isMountedReadOnly, mountedReadOnly, openMountedReadOnly } from '../content/local/read-only.ts';
import { databaseFailure, makePrivate } from '../content/local/sqlite.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { checkNewest, checkSchema, migrate } from './schema/migrate.ts';
import { inTurns, type Steps } from './steps.ts';
import { busyMilliseconds, type Change, Transactions, untilFree } from './transactions.ts';

/** Reads rows. Integers come as `bigint`. */
export interface Rows {
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[];
}

/** The database while its one lock for writing is held: nobody else, in whatever process, changes anything meanwhile. */
export interface Transaction extends Rows {
  /** Returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
}

/** Options of {@link Database.write}. */
export interface WriteOptions {
  /**
   * Whether the change survives a power cut once the promise has resolved, as far as the store promises that at all; yes if
   * not said. What no is for: notes that mean nothing after a crash.
   */
  readonly durable?: boolean | undefined;
}

/** Memory for the marks of a collection before they go to disk. */
const temporaryKibibytes = 32 * 1024;
// Filters make statements of their own; nobody needs them for ever.
const statementLimit = 256;

/**
 * One connection to the metadata of a store: SQLite in WAL mode, shared by any number of processes. Changes that are asked
 * for at once become one transaction and share one flush. The write-ahead log is flushed here, after the transaction and
 * off the main thread, instead of by SQLite inside it: nobody waits for a disk while holding the lock.
 */
export class Database implements Rows, AsyncDisposable {
  readonly path: string;
  readonly #connection: DatabaseSync;
  /** Absent where nothing is ever written. */
  readonly #log: FileHandle | undefined;
  readonly #statements = new Map<string, StatementSync>();
  readonly #transactions: Transactions<Transaction>;
  readonly #watchers = new Set<() => void>();
  #closed: Promise<void> | undefined;

  private constructor(path: string, connection: DatabaseSync, log: FileHandle | undefined, durability: Durability) {
    this.path = path;
    this.#connection = connection;
    this.#log = log;
    const context: Transaction = {
      get: (sql, ...values) => this.get(sql, ...values),
      all: (sql, ...values) => this.all(sql, ...values),
      run: (sql, ...values) => this.#guard(() => Number(this.#prepare(sql).run(...values).changes)),
    };
    // The first time with the entry of the database, which may be new. Who only reads flushes nothing.
    let entry = (): Promise<void> => durability.directory(dirname(path));
    const flush = new SharedFlush(async () => {
      if (log !== undefined) await Promise.all([durability.file(log), entry()]);
      entry = async () => {};
    });
    const onCommit = (): void => {
      for (const wake of [...this.#watchers]) wake();
    };
    this.#transactions = new Transactions({ connection, path, context, flush, onCommit });
  }

  /**
   * Opens the database at `path`, made and brought to the newest schema as need be. The directory exists. Where its file system
   * is mounted read-only it can be read, and every change fails with `permission-denied`.
   * @throws DrayError `failed-precondition` for a newer schema or a database of somebody else; `data-loss` for a damaged one;
   * `permission-denied`; `unavailable`, reason `locked`, when others keep it busy for a minute.
   */
  static async open(path: string, level: DurabilityLevel): Promise<Database> {
    const durability = new Durability(level);
    const readOnly = isMountedReadOnly(dirname(path));
    const connection = openConnection(path, readOnly);
    try {
      if (readOnly) {
        checkNewest(connection);
        return new Database(path, connection, undefined, durability);
      }
      await untilFree(() => {
        checkSchema(connection);
        // A checkpoint is flushed, whoever makes it: it may be of what others promised. What FULL adds is done by #flush.
        connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
        // Without it what macOS is told to flush gets no further than to the disk's own memory. Elsewhere it means nothing.
        connection.exec('PRAGMA fullfsync = ON');
        connection.exec(`PRAGMA temp.cache_size = -${temporaryKibibytes}`);
        migrate(connection);
      });
      const log = await open(`${path}-wal`, 'r+');
      return new Database(path, connection, log, durability);
    } catch (error) {
      connection.close();
      throw databaseFailure(error, path);
    }
  }

  /** Whether its file system is mounted read-only. */
  get readOnly(): boolean {
    return this.#log === undefined;
  }

  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#prepare(sql).get(...values)) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#guard(() => this.#prepare(sql).all(...values)) as Row[];
  }

  /**
   * Runs a change in a transaction, alone or with others that were asked for at the same time; when it throws, it alone is
   * taken back. It must not wait for anything.
   * @throws DrayError as the change does; `unavailable`, reason `locked`; `resource-exhausted`, reason `disk-full`.
   */
  write<T>(run: (transaction: Transaction) => T, { durable = true }: WriteOptions = {}): Promise<T> {
    return this.#add<T>({ run, isLong: false, isLocking: true, durable });
  }

  /**
   * Runs a long change in a transaction of its own, while this process goes on with other things between its steps: what reads
   * here meanwhile sees what the steps have done, what writes waits for their end. When a step throws, all are taken back.
   * @throws DrayError as {@link write}; the reason of the signal.
   */
  writeInSteps<T>(
    run: (transaction: Transaction) => Steps<T>,
    { durable = true, signal }: WriteOptions & AbortableOptions = {},
  ): Promise<T> {
    return this.#add<T>({ run: inSteps(run, signal), isLong: true, isLocking: true, durable });
  }

  /**
   * Looks at the database as it is at one moment, in steps, and may make notes in temporary tables meanwhile. Other processes go on
   * changing it; what is to be changed here waits.
   * @throws DrayError as {@link writeInSteps}; the reason of the signal.
   */
  readInSteps<T>(run: (transaction: Transaction) => Steps<T>, { signal }: AbortableOptions = {}): Promise<T> {
    return this.#add<T>({ run: inSteps(run, signal), isLong: true, isLocking: false, durable: false });
  }

  #add<T>(change: Change<Transaction>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(closed());
    if (change.isLocking && this.readOnly) return Promise.reject(mountedReadOnly(this.path));
    return new Promise<T>((resolve, reject) => {
      this.#transactions.add({ ...change, resolve: resolve as (value: unknown) => void, reject });
    });
  }

  /** Resolves at the next change through this connection, or after `milliseconds`. */
  async changed(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const wake = (): void => stop.abort();
    this.#watchers.add(wake);
    signal?.addEventListener('abort', wake, { once: true });
    try {
      await sleep(milliseconds, undefined, { signal: stop.signal });
    } catch {
      signal?.throwIfAborted();
    } finally {
      this.#watchers.delete(wake);
      signal?.removeEventListener('abort', wake);
    }
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (!this.#connection.isOpen) throw closed();
    const statement = this.#connection.prepare(sql);
    if (this.#statements.size >= statementLimit) this.#statements.clear();
    this.#statements.set(sql, statement);
    return statement;
  }

  #guard<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw databaseFailure(error, this.path);
    }
  }

  /** Finishes what was asked for, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.#transactions.finish();
    } finally {
      this.#statements.clear();
      await this.#log?.close();
      this.#connection.close();
    }
  }
}

function openConnection(path: string, readOnly: boolean): DatabaseSync {
  const options = { timeout: busyMilliseconds, readBigInts: true };
  try {
    if (readOnly) return openMountedReadOnly(path, options);
    makePrivate(path);
    return new DatabaseSync(path, options);
  } catch (error) {
    throw databaseFailure(error, path);
  }
}

function inSteps<T>(
  run: (transaction: Transaction) => Steps<T>,
  signal: AbortSignal | undefined,
): (transaction: Transaction) => Promise<T> {
  return (transaction) => inTurns(run(transaction), signal);
}

function closed(): DrayError {
  return new DrayError('failed-precondition', 'the store is closed', { side: 'store' });
}
