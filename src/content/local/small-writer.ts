import { is } from '../../errors.ts';
import { type Algorithm, algorithmOf, type Digest, digestOf } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { checkChunk } from '../chunk.ts';
import { checkLabels } from '../labels.ts';
import { checkExpected, checkSize } from '../outcomes.ts';
import { checkCut } from '../range.ts';
import type { AbortableOptions, CommitOptions, Info, Status, Writer } from '../store.ts';
import { WriterCalls } from '../writer-calls.ts';
import { storeFailure } from './failure.ts';

/** Ingests that are said to become no larger than this begin in memory; in bytes. */
export const smallIngest: number = 64 * 1024;

/** What a writer in memory needs of its store. */
export interface SmallWriterContext {
  readonly ref: string;
  /** What is going to be written, at most {@link smallIngest} bytes. */
  readonly total: number;
  readonly algorithm: Algorithm;
  /** Makes an ingest on disk of what was written so far, to which the claim passes. */
  toDisk(bytes: Uint8Array, status: Status): Promise<Writer>;
  /** Makes a blob of the bytes. */
  publish(bytes: Uint8Array, digest: Digest, options: CommitOptions): Promise<Info>;
  /** Gives up the claim, when it is not to be on disk. */
  release(): void;
}

/**
 * An ingest of few bytes, which costs more files than it has bytes to keep: it is in memory until it is closed without a
 * commit or grows, and then on disk like any other. Only a crash in between loses it.
 */
export class SmallWriter implements Writer {
  readonly ref: string;
  readonly #context: SmallWriterContext;
  readonly #bytes: Buffer;
  readonly #startedAt = Timestamp.now();
  #updatedAt = this.#startedAt;
  #offset = 0;
  #onDisk: Writer | undefined;
  readonly #calls: WriterCalls;
  /** Whether there is nothing left to keep. */
  #isGone = false;

  constructor(context: SmallWriterContext) {
    this.ref = context.ref;
    this.#calls = new WriterCalls(context.ref);
    this.#context = context;
    this.#bytes = Buffer.allocUnsafe(context.total);
  }

  async status(): Promise<Status> {
    return this.#onDisk === undefined ? this.current : await this.#onDisk.status();
  }

  /** The status while it is in memory. */
  get current(): Status {
    const { total } = this.#context;
    const [startedAt, updatedAt] = [this.#startedAt, this.#updatedAt];
    return { ref: this.ref, offset: this.#offset, total, startedAt, updatedAt, active: !this.#calls.isClosed };
  }

  async digest(): Promise<Digest> {
    return this.#onDisk === undefined ? digestOf(this.#written, this.#context.algorithm) : await this.#onDisk.digest();
  }

  get #written(): Uint8Array {
    return this.#bytes.subarray(0, this.#offset);
  }

  async write(chunk: Uint8Array, options: AbortableOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    checkChunk(chunk);
    await this.#calls.run('write to', () => this.#write(chunk, options));
  }

  async #write(chunk: Uint8Array, options: AbortableOptions): Promise<void> {
    if (this.#onDisk === undefined && this.#offset + chunk.byteLength > this.#bytes.byteLength) await this.#spill();
    if (this.#onDisk !== undefined) return await this.#onDisk.write(chunk, options);
    this.#bytes.set(chunk, this.#offset);
    this.#offset += chunk.byteLength;
    this.#updatedAt = Timestamp.now();
  }

  async truncate(size: number): Promise<void> {
    await this.#calls.run('truncate', () => this.#truncate(size));
  }

  async #truncate(size: number): Promise<void> {
    if (this.#onDisk !== undefined) return await this.#onDisk.truncate(size);
    checkCut(this.ref, this.#offset, size);
    this.#offset = size;
  }

  async commit(expected: CommitOptions = {}): Promise<Info> {
    return await this.#calls.run('commit', () => this.#commit(expected));
  }

  async #commit(expected: CommitOptions): Promise<Info> {
    try {
      return this.#onDisk === undefined ? await this.#publish(expected) : await this.#onDisk.commit(expected);
    } catch (error) {
      if (is(error, 'already-exists')) this.#isGone = true;
      throw storeFailure(error, `commit ingest ${this.ref}`);
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async #publish(expected: CommitOptions): Promise<Info> {
    checkLabels(expected.labels ?? {});
    expected.signal?.throwIfAborted();
    checkSize(this.ref, this.#offset, expected.size);
    const digest = digestOf(
      this.#written,
      expected.digest === undefined ? this.#context.algorithm : algorithmOf(expected.digest),
    );
    checkExpected(this.ref, digest, expected.digest);
    const info = await this.#context.publish(this.#written, digest, expected);
    this.#isGone = true;
    return info;
  }

  async #spill(): Promise<void> {
    this.#onDisk = await this.#context.toDisk(this.#written, this.current);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#calls.close()) return;
    try {
      if (this.#onDisk === undefined && !this.#isGone) await this.#spill();
    } finally {
      if (this.#onDisk === undefined) this.#context.release();
      else await this.#onDisk[Symbol.asyncDispose]();
    }
  }
}
