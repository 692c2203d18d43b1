import { unlessAborted } from '../../content/abort.ts';
import { checkLabels } from '../../content/labels.ts';
import { mismatch } from '../../content/outcomes.ts';
import { checkCut } from '../../content/range.ts';
import type { AbortableOptions, CommitOptions, Info, Status, Writer } from '../../content/store.ts';
import { DrayError } from '../../errors.ts';
import type { Digest } from '../../spec/digest.ts';
import type { Position, WriteCall } from './write-call.ts';

/** The most bytes in one message. */
const messageSize = 1024 * 1024;

/** What a writer needs of its store. */
export interface DaemonWriterContext {
  readonly ref: string;
  readonly call: WriteCall;
  /** Where the ingest stands. */
  readonly position: Position;
  readonly expected: Digest | undefined;
  /** What became of the ingest. */
  info(digest: Digest): Promise<Info>;
  /** Called once, when the ingest is not open any more. */
  closed(): void;
}

/**
 * An ingest of a daemon, open. Bytes are gathered into messages, and while one is on its way the next is gathered: what was written
 * last has arrived when the writer was asked for its status or was closed.
 */
export class DaemonWriter implements Writer {
  readonly ref: string;
  readonly #context: DaemonWriterContext;
  #buffer: Buffer;
  #filled = 0;
  /** What was sent, counted from the beginning of the ingest. */
  #offset: number;
  #sending: Promise<void> = Promise.resolve();
  #failed = false;
  #closing: Promise<void> | undefined;

  constructor(context: DaemonWriterContext) {
    const { ref, position } = context;
    this.ref = ref;
    this.#context = context;
    this.#offset = position.offset;
    const rest = position.total - position.offset;
    this.#buffer = Buffer.allocUnsafe(rest > 0 ? Math.min(rest, messageSize) : messageSize);
  }

  async status(): Promise<Status> {
    const { offset, total, startedAt, updatedAt } = await this.#position();
    const { expected } = this.#context;
    return {
      ref: this.ref,
      offset,
      ...(total === 0 ? {} : { total }),
      ...(expected === undefined ? {} : { expected }),
      startedAt,
      updatedAt,
      active: true,
    };
  }

  async digest(): Promise<Digest> {
    return (await this.#position()).digest;
  }

  async #position(): Promise<Position> {
    this.#checkOpen('ask for');
    await this.#flush();
    return await this.#run(() => this.#context.call.status());
  }

  async write(chunk: Uint8Array, { signal }: AbortableOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#checkOpen('write to');
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + this.#buffer.byteLength - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.byteLength;
      at += part.byteLength;
      if (this.#filled === this.#buffer.byteLength) await unlessAborted(this.#send(), signal);
    }
  }

  // Resolves when the message before has arrived, so that there are never more than two.
  async #send(): Promise<void> {
    const data = this.#buffer.subarray(0, this.#filled);
    this.#buffer = Buffer.allocUnsafe(messageSize);
    this.#filled = 0;
    await this.#sending;
    const offset = this.#offset;
    this.#offset += data.byteLength;
    this.#sending = this.#run(() => this.#context.call.write(offset, data));
    // Told by the next one that asks.
    this.#sending.catch(() => {});
  }

  async #flush(): Promise<void> {
    if (this.#filled > 0) await this.#send();
    await this.#sending;
  }

  async truncate(size: number): Promise<void> {
    this.#checkOpen('truncate');
    await this.#flush();
    checkCut(this.ref, this.#offset, size);
    if (size === this.#offset) return;
    if (size !== 0) {
      const hint = 'start over with 0';
      throw new DrayError('not-implemented', `containerd cannot cut ingest ${this.ref} to ${size} bytes`, { hint });
    }
    await this.#run(() => this.#context.call.write(0, new Uint8Array(0)));
    this.#offset = 0;
  }

  async commit(expected: CommitOptions = {}): Promise<Info> {
    this.#checkOpen('commit');
    const { signal, labels = {}, size, digest } = expected;
    try {
      checkLabels(labels);
      signal?.throwIfAborted();
      await this.#flush();
      if (size !== undefined && size !== this.#offset)
        throw mismatch('size-mismatch', `ingest ${this.ref} has ${this.#offset} bytes, not the expected ${size}`);
      const commitment = { size: this.#offset, digest: digest ?? '', labels };
      const committed = await unlessAborted(
        this.#run(() => this.#context.call.commit(commitment)),
        signal,
      );
      return await this.#context.info(committed);
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async #run<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    const { call, closed } = this.#context;
    try {
      // Who was told of a failure is not told again that the rest could not be kept.
      if (this.#failed) await call.cancel();
      else await this.#flush().then(() => call.close());
    } finally {
      await call.cancel();
      closed();
    }
  }

  #checkOpen(verb: string): void {
    if (this.#closing === undefined) return;
    throw new DrayError('failed-precondition', `cannot ${verb} ingest ${this.ref}: its writer is closed`);
  }
}
