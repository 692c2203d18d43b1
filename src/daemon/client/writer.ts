import { unlessAborted } from '../../content/abort.ts';
import { checkChunk } from '../../content/chunk.ts';
import { checkLabels } from '../../content/labels.ts';
import { mismatch } from '../../content/outcomes.ts';
import { checkCut } from '../../content/range.ts';
import type { AbortableOptions, CommitOptions, Info, Status, Writer } from '../../content/store.ts';
import { WriterCalls } from '../../content/writer-calls.ts';
import { DrayError, is } from '../../errors.ts';
import type { Digest } from '../../spec/digest.ts';
import type { Position, WriteCall } from './write-call.ts';

/** The most bytes in one message. */
const messageSize = 1024 * 1024;

/** Messages on their way while the next is gathered: one that the daemon works on, and one that it finds then. */
const messagesAtOnce = 2;

/** What a writer needs of its store. */
export interface DaemonWriterContext {
  readonly ref: string;
  readonly call: WriteCall;
  /** Where the ingest stands. */
  readonly position: Position;
  readonly expected: Digest | undefined;
  /** What became of the ingest. */
  info(digest: Digest): Promise<Info>;
  /** Makes the lease of the ingest, if it has one, keep a blob that somebody else has brought. @throws DrayError `not-found` when it is gone. */
  hold(digest: Digest): Promise<void>;
  /** Called once, when the ingest is not open any more. */
  closed(): void;
}

/**
 * An ingest of a daemon, open. Bytes are gathered into messages, and while some are on their way the next is gathered: what was
 * written last has arrived when the writer was asked for its status or was closed.
 */
export class DaemonWriter implements Writer {
  readonly ref: string;
  readonly #context: DaemonWriterContext;
  #buffer: Buffer;
  #filled = 0;
  /** What was sent, counted from the beginning of the ingest. */
  #offset: number;
  /** Messages that were not answered yet, with their buffers, oldest first. */
  readonly #sending: { readonly done: Promise<void>; readonly buffer: Buffer }[] = [];
  readonly #free: Buffer[] = [];
  readonly #calls: WriterCalls;
  #failed = false;
  #closing: Promise<void> | undefined;

  constructor(context: DaemonWriterContext) {
    const { ref, position } = context;
    this.ref = ref;
    this.#calls = new WriterCalls(ref);
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
    this.#calls.checkOpen('ask for');
    await this.#flush();
    return await this.#run(() => this.#context.call.status());
  }

  async write(chunk: Uint8Array, { signal }: AbortableOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    checkChunk(chunk);
    await this.#calls.run('write to', () => this.#write(chunk, signal));
  }

  async #write(chunk: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + this.#buffer.byteLength - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.byteLength;
      at += part.byteLength;
      if (this.#filled === this.#buffer.byteLength) await unlessAborted(this.#send(), signal);
    }
  }

  // Nothing is waited for before the next buffer is in place: whoever asks for the status meanwhile sends what is gathered, too.
  async #send(): Promise<void> {
    const [buffer, data] = [this.#buffer, this.#buffer.subarray(0, this.#filled)];
    this.#buffer = this.#free.pop() ?? Buffer.allocUnsafe(messageSize);
    this.#filled = 0;
    const offset = this.#offset;
    this.#offset += data.byteLength;
    const done = this.#run(() => this.#context.call.write(offset, data));
    // Told by the next one that asks.
    done.catch(() => {});
    this.#sending.push({ done, buffer });
    while (this.#sending.length > messagesAtOnce) await this.#oldest();
  }

  async #oldest(): Promise<void> {
    const [first] = this.#sending;
    await first?.done;
    if (first === undefined || this.#sending[0] !== first) return;
    this.#sending.shift();
    if (first.buffer.byteLength === messageSize) this.#free.push(first.buffer);
  }

  async #flush(): Promise<void> {
    if (this.#filled > 0) await this.#send();
    while (this.#sending.length > 0) await this.#oldest();
  }

  async truncate(size: number): Promise<void> {
    await this.#calls.run('truncate', () => this.#truncate(size));
  }

  async #truncate(size: number): Promise<void> {
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
    return await this.#calls.run('commit', () => this.#commit(expected));
  }

  async #commit({ signal, labels = {}, size, digest }: CommitOptions): Promise<Info> {
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
    } catch (error) {
      if (is(error, 'already-exists') && digest !== undefined) await this.#context.hold(digest);
      throw error;
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
    if (this.#calls.close()) this.#closing = this.#close();
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
}
