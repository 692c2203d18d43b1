import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { Durability, type DurabilityLevel, SharedFlush } from '../content/local/durable.ts';
import { databaseFailure, isBusy, makePrivate } from '../content/local/sqlite.ts';
import { DrayError } from '../errors.ts';
import { checkSchema, migrate } from './schema/migrate.ts';

/** Reads rows. Integers come as `bigint`. */
export interface Rows {
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[];
  /** Row by row; the caller reads to the end or stops before it waits for anything. */
  iterate<Row>(sql: string, ...values: SQLInputValue[]): Iterable<Row>;
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

interface Job {
  readonly run: (transaction: Transaction) => unknown;
  readonly durable: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const batchLimit = 256;
/** Memory for the marks of a collection before they go to disk. */
const temporaryKibibytes = 32 * 1024;
// Filters make statements of their own; nobody needs them for ever.
const statementLimit = 256;
const busyMilliseconds = 5_000;
const patienceMilliseconds = 60_000;

/**
 * One connection to the metadata of a store: SQLite in WAL mode, shared by any number of processes. Changes that are asked
 * for at once become one transaction and share one flush. The write-ahead log is flushed here, after the transaction and
 * off the main thread, instead of by SQLite inside it: nobody waits for a disk while holding the lock.
 */
export class Database implements Rows, AsyncDisposable {
  readonly path: string;
  readonly #connection: DatabaseSync;
  readonly #log: FileHandle;
  readonly #flush: SharedFlush;
  readonly #statements = new Map<string, StatementSync>();
  readonly #transaction: Transaction;
  readonly #watchers = new Set<() => void>();
  #jobs: Job[] = [];
  #pumping: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #broken: unknown;

  private constructor(path: string, connection: DatabaseSync, log: FileHandle, durability: Durability) {
    this.path = path;
    this.#connection = connection;
    this.#log = log;
    this.#flush = new SharedFlush(() => durability.file(log));
    this.#transaction = {
      get: (sql, ...values) => this.get(sql, ...values),
      all: (sql, ...values) => this.all(sql, ...values),
      iterate: (sql, ...values) => this.iterate(sql, ...values),
      run: (sql, ...values) => this.#guard(() => Number(this.#prepare(sql).run(...values).changes)),
    };
  }

  /**
   * Opens the database at `path`, made and brought to the newest schema as need be. The directory exists.
   * @throws DrayError `failed-precondition` for a newer schema or a database of somebody else; `data-loss` for a damaged one;
   * `permission-denied`; `unavailable`, reason `locked`, when others keep it busy for a minute.
   */
  static async open(path: string, level: DurabilityLevel): Promise<Database> {
    const durability = new Durability(level);
    const connection = openConnection(path);
    try {
      makePrivate(path);
      await untilFree(() => {
        checkSchema(connection);
        // The log is flushed before a checkpoint even so; what FULL adds is done by #flush.
        connection.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${level === 'full' ? 'NORMAL' : 'OFF'};`);
        connection.exec(`PRAGMA temp.cache_size = -${temporaryKibibytes}`);
        migrate(connection);
      });
      const log = await open(`${path}-wal`, 'r+');
      await durability.file(log);
      await durability.directory(dirname(path));
      return new Database(path, connection, log, durability);
    } catch (error) {
      connection.close();
      throw databaseFailure(error, path);
    }
  }

  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#prepare(sql).get(...values)) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#guard(() => this.#prepare(sql).all(...values)) as Row[];
  }

  iterate<Row>(sql: string, ...values: SQLInputValue[]): Iterable<Row> {
    return this.#guard(() => this.#prepare(sql).iterate(...values)) as Iterable<Row>;
  }

  /**
   * Runs a change in a transaction, alone or with others that were asked for at the same time; when it throws, it alone is
   * taken back. It must not wait for anything.
   * @throws DrayError as the change does; `unavailable`, reason `locked`; `resource-exhausted`, reason `disk-full`.
   */
  write<T>(run: (transaction: Transaction) => T, { durable = true }: WriteOptions = {}): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(closed());
    return new Promise<T>((resolve, reject) => {
      this.#jobs.push({ run, durable, resolve: resolve as (value: unknown) => void, reject });
      this.#pumping ??= this.#pump();
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

  async #pump(): Promise<void> {
    while (this.#jobs.length > 0) {
      // Whoever asks in the same turn shares the transaction.
      await new Promise(setImmediate);
      const batch = this.#jobs.slice(0, batchLimit);
      this.#jobs = this.#jobs.slice(batchLimit);
      try {
        await this.#transact(batch);
      } catch (error) {
        for (const job of batch) job.reject(databaseFailure(error, this.path));
      }
    }
    this.#pumping = undefined;
  }

  async #transact(batch: readonly Job[]): Promise<void> {
    await untilFree(() => this.#begin());
    const outcomes = this.#runAll(batch);
    if (outcomes !== undefined) return this.#settle(batch, outcomes);
    for (const job of batch) await this.#transact([job]).catch(job.reject);
  }

  #begin(): void {
    if (this.#broken !== undefined) throw this.#broken;
    // SQLite would wait on the main thread; untilFree does not.
    this.#connection.exec('PRAGMA busy_timeout = 0');
    try {
      this.#connection.exec('BEGIN IMMEDIATE');
    } finally {
      this.#connection.exec(`PRAGMA busy_timeout = ${busyMilliseconds}`);
    }
  }

  /** How each of a batch ends; undefined when one of them, or the end, took the whole transaction down. */
  #runAll(batch: readonly Job[]): (() => void)[] | undefined {
    try {
      const outcomes = batch.map((job) => this.#runOne(job, batch.length > 1));
      this.#connection.exec('COMMIT');
      return outcomes;
    } catch (error) {
      if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
      if (batch.length > 1) return undefined;
      throw databaseFailure(error, this.path);
    }
  }

  #runOne({ run, resolve, reject }: Job, shared: boolean): () => void {
    if (!shared) {
      const value = run(this.#transaction);
      return () => resolve(value);
    }
    this.#connection.exec('SAVEPOINT job');
    try {
      const value = run(this.#transaction);
      this.#connection.exec('RELEASE job');
      return () => resolve(value);
    } catch (error) {
      // A full disk, above all, ends more than the statement that met it.
      if (!this.#connection.isTransaction) throw error;
      this.#connection.exec('ROLLBACK TO job; RELEASE job');
      return () => reject(databaseFailure(error, this.path));
    }
  }

  #settle(batch: readonly Job[], outcomes: readonly (() => void)[]): void {
    for (const wake of [...this.#watchers]) wake();
    const durable = outcomes.filter((_, index) => batch[index]?.durable);
    for (const [index, settle] of outcomes.entries()) if (!batch[index]?.durable) settle();
    if (durable.length === 0) return;
    this.#flush.request().then(
      () =>
        durable.forEach((settle) => {
          settle();
        }),
      (error: unknown) => {
        // What the kernel failed to write once, it forgets: nothing that follows could be promised.
        this.#broken = error;
        for (const job of batch) job.reject(databaseFailure(error, this.path));
      },
    );
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#closed !== undefined) throw closed();
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
    await this.#pumping;
    try {
      await this.#flush.request();
    } finally {
      this.#statements.clear();
      await this.#log.close();
      this.#connection.close();
    }
  }
}

function openConnection(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: busyMilliseconds, readBigInts: true });
  } catch (error) {
    throw databaseFailure(error, path);
  }
}

function closed(): DrayError {
  return new DrayError('failed-precondition', 'the store is closed', { side: 'store' });
}

/** Runs until no other connection has the lock, without holding up the main thread meanwhile. */
async function untilFree(run: () => void): Promise<void> {
  const deadline = performance.now() + patienceMilliseconds;
  for (let pause = 1; ; pause = Math.min(pause * 2, 32)) {
    try {
      return run();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
    await sleep(pause / 2 + Math.random() * (pause / 2));
  }
}
