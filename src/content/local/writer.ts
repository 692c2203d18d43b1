import type { FileHandle } from 'node:fs/promises';
import { DrayError, ifThere } from '../../errors.ts';
import { type Algorithm, algorithmOf, type Digest } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { checkChunk } from '../chunk.ts';
import { checkLabels } from '../labels.ts';
import { checkExpected, checkSize, mismatch } from '../outcomes.ts';
import { checkCut } from '../range.ts';
import type { AbortableOptions, CommitOptions, Info, Status, Writer } from '../store.ts';
import { WriterCalls } from '../writer-calls.ts';
import type { FlushAhead } from './durable.ts';
import { storeFailure } from './failure.ts';
import type { StreamHasher } from './hashing.ts';
import { hashFile, type OpenIngest, setMode, setTimes, touchIngest } from './ingest.ts';
import type { IngestPaths } from './paths.ts';
import type { Claim } from './state.ts';
import { writeAll } from './write-all.ts';

/** What a writer needs of its store. */
export interface WriterContext {
  readonly ref: string;
  readonly paths: IngestPaths;
  readonly claim: Claim;
  hasher(algorithm: Algorithm, size: number): StreamHasher;
  /** What flushes the open data file. */
  flushing(handle: FileHandle): FlushAhead;
  /** Makes a blob of the closed and flushed data file and removes the ingest. */
  publish(digest: Digest, size: number, time: Timestamp, options: CommitOptions): Promise<Info>;
}

/** An ingest on disk, open. The claim on its ref lasts until the writer is closed. */
export class LocalWriter implements Writer {
  readonly ref: string;
  readonly #context: WriterContext;
  readonly #handle: FileHandle;
  readonly #flushing: FlushAhead;
  readonly #startedAt: Timestamp;
  readonly #total: number | undefined;
  #hasher: StreamHasher;
  #offset: number;
  #updatedAt: Timestamp;
  readonly #calls: WriterCalls;
  #broken: unknown;

  constructor(context: WriterContext, ingest: OpenIngest) {
    this.ref = context.ref;
    this.#calls = new WriterCalls(context.ref);
    this.#context = context;
    this.#handle = ingest.handle;
    this.#flushing = context.flushing(ingest.handle);
    this.#hasher = ingest.hasher;
    this.#offset = ingest.offset;
    this.#total = ingest.total;
    this.#startedAt = ingest.startedAt;
    this.#updatedAt = ingest.updatedAt;
  }

  async status(): Promise<Status> {
    return {
      ref: this.ref,
      offset: this.#offset,
      ...(this.#total === undefined ? {} : { total: this.#total }),
      startedAt: this.#startedAt,
      updatedAt: this.#updatedAt,
      active: !this.#calls.isClosed,
    };
  }

  async digest(): Promise<Digest> {
    return this.#hasher.digest();
  }

  async write(chunk: Uint8Array, { signal }: AbortableOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    checkChunk(chunk);
    await this.#run('write to', () => this.#write(chunk));
  }

  async #write(chunk: Uint8Array): Promise<void> {
    try {
      // Both are waited for, whatever becomes of them: the chunk is the caller's again.
      const written = writeAll(this.#handle, chunk, this.#offset);
      for (const outcome of await Promise.allSettled([written, this.#hasher.update(chunk)]))
        if (outcome.status === 'rejected') throw outcome.reason;
    } catch (error) {
      // The hash has gone past what the file holds; only opening the ingest again brings them together.
      this.#broken = error;
      // On a full disk the store needs the room of a part of a chunk, to note that the ingest is let go of or removed.
      await this.#handle.truncate(this.#offset).catch(() => {});
      throw storeFailure(error, `write ingest ${this.ref}`);
    }
    this.#flushing.wrote(chunk.byteLength);
    this.#offset += chunk.byteLength;
    this.#updatedAt = Timestamp.now();
  }

  /** Takes over bytes that were written at `time`, when there was no file for them yet. */
  async takeOver(bytes: Uint8Array, time: Timestamp): Promise<void> {
    if (bytes.byteLength > 0) await this.write(bytes);
    this.#updatedAt = time;
  }

  async truncate(size: number): Promise<void> {
    await this.#run('truncate', () => this.#truncate(size));
  }

  async #truncate(size: number): Promise<void> {
    checkCut(this.ref, this.#offset, size);
    this.#hasher.close();
    this.#hasher = this.#context.hasher(this.#hasher.algorithm, Math.max(this.#total ?? 0, size));
    try {
      await this.#handle.truncate(size);
      await hashFile(this.#handle, this.#hasher, size);
    } catch (error) {
      this.#broken = error;
      throw storeFailure(error, `truncate ingest ${this.ref}`);
    }
    this.#offset = size;
  }

  async commit(expected: CommitOptions = {}): Promise<Info> {
    return await this.#run('commit', () => this.#commit(expected));
  }

  async #commit(expected: CommitOptions): Promise<Info> {
    try {
      checkLabels(expected.labels ?? {});
      expected.signal?.throwIfAborted();
      // An ingest that was taken away is told as such when it is to become a blob.
      await ifThere(setTimes(this.#context.paths.data, Timestamp.now()));
      await this.#flushing.finish();
      const found = await this.#handle.stat({ bigint: true });
      this.#checkSize(Number(found.size), expected.size);
      const digest = await this.#digestAs(expected);
      // No failure of what follows leaves a writable blob behind.
      await ifThere(setMode(this.#context.paths.data, 0o444));
      await this.#closeFile();
      return await this.#context.publish(digest, this.#offset, new Timestamp(found.mtimeNs), expected);
    } catch (error) {
      throw storeFailure(error, `commit ingest ${this.ref}`);
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  #checkSize(size: number, expected: number | undefined): void {
    if (size !== this.#offset) {
      throw mismatch('size-mismatch', `ingest ${this.ref} has ${size} bytes on disk, but ${this.#offset} were written`);
    }
    checkSize(this.ref, size, expected);
  }

  async #digestAs({ digest: expected, signal }: CommitOptions): Promise<Digest> {
    let actual = await this.#hasher.digest();
    if (expected === undefined || actual === expected) return actual;
    const algorithm = algorithmOf(expected);
    if (algorithmOf(actual) !== algorithm) {
      this.#hasher.close();
      this.#hasher = this.#context.hasher(algorithm, this.#offset);
      await hashFile(this.#handle, this.#hasher, this.#offset, { signal });
      actual = await this.#hasher.digest();
    }
    checkExpected(this.ref, actual, expected);
    return actual;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#calls.close()) return;
    this.#hasher.close();
    try {
      if (!this.#fileClosed) await this.#leave().catch(() => {});
      await this.#closeFile();
    } finally {
      this.#context.claim.release();
    }
  }

  // What the kernel failed to write it shows as written all the same, so nobody may go on from it.
  async #leave(): Promise<void> {
    if (await this.#flushing.hasFailed()) await this.#handle.truncate(0);
    await touchIngest(this.#context.paths, this.#updatedAt);
  }

  #fileClosed = false;

  async #closeFile(): Promise<void> {
    if (this.#fileClosed) return;
    this.#fileClosed = true;
    await this.#handle.close();
  }

  #run<T>(verb: string, call: () => Promise<T>): Promise<T> {
    return this.#calls.run(verb, async () => {
      if (this.#broken === undefined) return await call();
      throw new DrayError('failed-precondition', `cannot ${verb} ingest ${this.ref}: an earlier write failed`, {
        cause: this.#broken,
        hint: 'open it again to go on from what is on disk',
      });
    });
  }
}
