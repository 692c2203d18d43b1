import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import type { SharedFlush } from '../content/local/durable.ts';
import { databaseFailure, isBusy } from '../content/local/sqlite.ts';
import { whenFree } from '../content/when-free.ts';
import { DrayError, toDrayError } from '../errors.ts';

/** What is to be done in a transaction. */
export interface Change<Context> {
  /** One that is long may return a promise; others must not wait for anything. */
  readonly run: (context: Context) => unknown;
  /** Has a transaction of its own, and others their turn while it lasts. */
  readonly isLong: boolean;
  /** Whether nobody else changes anything meanwhile, in whatever process; who only looks needs no lock for that. */
  readonly isLocking: boolean;
  /** Whether it is done only when it has been flushed. */
  readonly durable: boolean;
}

/** A change, and who waits for it. */
export interface Job<Context> extends Change<Context> {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What {@link Transactions} are run with. */
export interface TransactionsOptions<Context> {
  readonly connection: DatabaseSync;
  readonly path: string;
  readonly context: Context;
  readonly flush: SharedFlush;
  /** Called when something has been committed. */
  readonly onCommit: () => void;
}

const batchLimit = 256;
const patienceMilliseconds = 60_000;

/** How long SQLite itself waits for a lock, on the main thread, where nothing else can wait. */
export const busyMilliseconds = 5_000;

/**
 * Changes to a database, in the order in which they were asked for. Those that are asked for at once share a transaction and
 * a flush; one that fails is taken back alone.
 */
export class Transactions<Context> {
  readonly #options: TransactionsOptions<Context>;
  #jobs: Job<Context>[] = [];
  #pumping: Promise<void> | undefined;
  #broken: DrayError | undefined;
  readonly #inode: bigint | undefined;

  constructor(options: TransactionsOptions<Context>) {
    this.#options = options;
    this.#inode = inodeOf(options.path);
  }

  add(job: Job<Context>): void {
    this.#jobs.push(job);
    this.#pumping ??= this.#pump();
  }

  /** Resolves when nothing is waiting any more. */
  async finish(): Promise<void> {
    await this.#pumping;
    // Who waited for one that failed has been told.
    await this.#options.flush.ended();
  }

  async #pump(): Promise<void> {
    while (this.#jobs.length > 0) {
      // Whoever asks in the same turn shares the transaction.
      await turn();
      const batch = this.#jobs.slice(0, this.#sizeOfBatch());
      this.#jobs = this.#jobs.slice(batch.length);
      try {
        await this.#transact(batch);
      } catch (error) {
        for (const job of batch) job.reject(databaseFailure(error, this.#options.path));
      }
    }
    this.#pumping = undefined;
  }

  #sizeOfBatch(): number {
    const long = this.#jobs.findIndex(({ isLong }) => isLong);
    return long === -1 ? batchLimit : Math.min(Math.max(long, 1), batchLimit);
  }

  async #transact(batch: readonly Job<Context>[]): Promise<void> {
    await untilFree(() => this.#begin(batch.some(({ isLocking }) => isLocking)));
    const outcomes = batch[0]?.isLong ? await this.#runLong(batch[0]) : this.#runAll(batch);
    if (outcomes !== undefined) return this.#settle(batch, outcomes);
    for (const job of batch) await this.#transact([job]).catch(job.reject);
  }

  #begin(isLocking: boolean): void {
    if (this.#broken !== undefined) throw this.#broken;
    // What is changed in a file without a name nobody sees again, and what that does not need others may.
    if (isLocking && inodeOf(this.#options.path) !== this.#inode) throw replaced(this.#options.path);
    // SQLite would wait on the main thread; untilFree does not.
    this.#options.connection.exec('PRAGMA busy_timeout = 0');
    try {
      this.#options.connection.exec(isLocking ? 'BEGIN IMMEDIATE' : 'BEGIN');
    } finally {
      this.#options.connection.exec(`PRAGMA busy_timeout = ${busyMilliseconds}`);
    }
  }

  /** How each of a batch ends; undefined when one of them, or the end, took the whole transaction down. */
  #runAll(batch: readonly Job<Context>[]): (() => void)[] | undefined {
    try {
      const outcomes = batch.map((job) => this.#runOne(job, batch.length > 1));
      this.#options.connection.exec('COMMIT');
      return outcomes;
    } catch (error) {
      this.#takeBack();
      if (batch.length > 1) return undefined;
      throw databaseFailure(error, this.#options.path);
    }
  }

  async #runLong({ run, resolve }: Job<Context>): Promise<(() => void)[]> {
    try {
      const value = await run(this.#options.context);
      this.#options.connection.exec('COMMIT');
      return [() => resolve(value)];
    } catch (error) {
      this.#takeBack();
      throw error;
    }
  }

  #takeBack(): void {
    if (this.#options.connection.isTransaction) this.#options.connection.exec('ROLLBACK');
  }

  #runOne({ run, resolve, reject }: Job<Context>, shared: boolean): () => void {
    if (!shared) {
      const value = run(this.#options.context);
      return () => resolve(value);
    }
    this.#options.connection.exec('SAVEPOINT job');
    try {
      const value = run(this.#options.context);
      this.#options.connection.exec('RELEASE job');
      return () => resolve(value);
    } catch (error) {
      // A full disk, above all, ends more than the statement that met it.
      if (!this.#options.connection.isTransaction) throw error;
      this.#options.connection.exec('ROLLBACK TO job; RELEASE job');
      return () => reject(databaseFailure(error, this.#options.path));
    }
  }

  #settle(batch: readonly Job<Context>[], outcomes: readonly (() => void)[]): void {
    this.#options.onCommit();
    const durable = outcomes.filter((_, index) => batch[index]?.durable);
    for (const [index, settle] of outcomes.entries()) if (!batch[index]?.durable) settle();
    if (durable.length === 0) return;
    this.#options.flush.request().then(
      () => {
        for (const settle of durable) settle();
      },
      (error: unknown) => {
        // What the kernel failed to write once, it forgets: nothing that follows could be promised.
        this.#broken = flushFailure(error, this.#options.path);
        for (const job of batch) job.reject(this.#broken);
      },
    );
  }
}

function flushFailure(cause: unknown, path: string): DrayError {
  return new DrayError('data-loss', `the database of the store cannot be flushed: ${toDrayError(cause).message}`, {
    side: 'store',
    path,
    hint: 'the disk fails: what was reported before is safe; look at the log of the system, then open the store again',
    cause,
  });
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function replaced(path: string): DrayError {
  return new DrayError('failed-precondition', 'the database of the store was removed or replaced while it was open', {
    side: 'store',
    path,
    hint: 'open the store again; a registry that serves it has to be started again',
  });
}

/** Runs until no other connection has the lock, without holding up the main thread meanwhile. */
export async function untilFree(run: () => void): Promise<void> {
  await whenFree(run, { isTaken: isBusy, longestPause: 32, timeout: patienceMilliseconds });
}
