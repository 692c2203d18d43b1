import { setTimeout as sleep } from 'node:timers/promises';
import { sizeMismatch } from '../../content/verified.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { connectionError, isTransient } from './errors.ts';
import type { HostState } from './host-state.ts';
import { backOff } from './retry.ts';
import type { WireResponse } from './transport.ts';

/** Asks for the bytes from `offset` on. */
export type OpenResponse = (offset: number) => Promise<Opened>;

/** An answer with the host that was asked. */
export interface Opened {
  readonly host: HostState;
  readonly response: WireResponse;
  /** Bytes at the beginning of the body that nobody asked for. */
  readonly skip: number;
}

const finished: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

/**
 * The bytes of a blob from an offset on, in one stream that goes on where it broke off. Its place at the host is left when
 * the stream has ended, in whatever way.
 */
export class Download implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #target: Descriptor;
  readonly #open: OpenResponse;
  readonly #signal: AbortSignal | undefined;
  readonly #leave: () => void;
  #opened: Opened;
  #body: AsyncIterator<Uint8Array, undefined>;
  /** The offset of the next byte that is given out. */
  #offset: number;
  /** Bytes to pass over, because the server began too early. */
  #skip: number;
  #failures = 0;
  #done = false;

  private constructor(
    target: Descriptor,
    offset: number,
    open: OpenResponse,
    opened: Opened,
    leave: () => void,
    signal: AbortSignal | undefined,
  ) {
    this.#target = target;
    this.#offset = offset;
    this.#open = open;
    this.#leave = leave;
    this.#signal = signal;
    this.#opened = opened;
    this.#skip = opened.skip;
    this.#body = opened.response.body[Symbol.asyncIterator]();
  }

  /** Starts a download; `leave` is called when it is over. */
  static async start(
    target: Descriptor,
    offset: number,
    open: OpenResponse,
    leave: () => void,
    signal?: AbortSignal,
  ): Promise<Download> {
    try {
      const opened = await open(offset);
      return new Download(target, offset, open, opened, leave, signal);
    } catch (error) {
      leave();
      throw error;
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    while (!this.#done) {
      try {
        const result = await this.#body.next();
        if (result.done === true) this.#end();
        else {
          const chunk = this.#take(result.value);
          if (chunk.byteLength > 0) return { done: false, value: chunk };
        }
      } catch (error) {
        await this.#recover(error);
      }
    }
    return finished;
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#close();
    return finished;
  }

  #take(chunk: Uint8Array): Uint8Array {
    const skipped = Math.min(this.#skip, chunk.byteLength);
    this.#skip -= skipped;
    const rest = skipped === 0 ? chunk : chunk.subarray(skipped);
    this.#offset += rest.byteLength;
    if (rest.byteLength > 0) this.#failures = 0;
    const { digest, size } = this.#target;
    if (size > 0 && this.#offset > size) throw sizeMismatch(digest, size, this.#offset, true);
    return rest;
  }

  #end(): void {
    const { size } = this.#target;
    if (this.#skip > 0 || (size > 0 && this.#offset < size)) throw new Error('the body ended early');
    this.#close();
  }

  #close(): void {
    if (this.#done) return;
    this.#done = true;
    this.#opened.response.body.cancel();
    this.#opened.host.downloads.grow();
    this.#leave();
  }

  async #recover(error: unknown): Promise<void> {
    try {
      this.#opened.response.body.cancel();
      this.#signal?.throwIfAborted();
      if (!isTransient(error)) throw error;
      const { host } = this.#opened;
      const { retry } = host.context;
      this.#failures += 1;
      if (this.#failures >= retry.attempts) throw connectionError(error, this.#context());
      const pause = backOff(retry, this.#failures + 1);
      const cause = error instanceof Error ? error.message : String(error);
      host.context.emit({ type: 'retry', ...this.#context(), attempt: this.#failures + 1, pause, cause });
      await sleep(pause, undefined, { signal: this.#signal });
      const opened = await this.#open(this.#offset);
      this.#body = opened.response.body[Symbol.asyncIterator]();
      this.#opened = opened;
      this.#skip = opened.skip;
    } catch (failure) {
      this.#close();
      this.#signal?.throwIfAborted();
      throw failure;
    }
  }

  #context(): { registry: string; request: string } {
    return { registry: this.#opened.host.registry, request: `GET ${this.#opened.response.url.pathname}` };
  }
}
