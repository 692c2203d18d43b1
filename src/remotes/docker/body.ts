import { setImmediate as turn } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { waitAtMost } from '../../content/abort.ts';
import { checkDocumentSize } from '../../content/documents.ts';
import { Gathered } from '../../content/gathered.ts';
import type { Slabs } from './slabs.ts';

/** Bytes that wait for the reader before the server is held back. */
const highWater = 1024 * 1024;
const lowWater = 256 * 1024;

/**
 * How long a reader waits for a piece to become whole, in milliseconds. Over a slow link bytes come in small amounts, and each
 * that is hashed and written alone costs as much as many together.
 */
const gatherPatience = 100;

/** Pieces below this are put together with what is in front of them, up to {@link blockSize}: a queue of single bytes is slow. */
const smallPiece = 4 * 1024;
const blockSize = 64 * 1024;

/** What is left of an unwanted body and still read, so that its connection can be used again; in bytes. */
const discardLimit = 64 * 1024;

/** The longest wait for such a rest, in milliseconds. */
const discardPatience = 250;

/** Fewer bytes a second than this, for as long as a body may pause, are a pause. */
const crawl = 1024;

/** Whether a body that brought so many bytes in so many milliseconds of waiting counts as one that has broken off. */
export function isCrawling(bytes: number, milliseconds: number, stallTimeout: number): boolean {
  return milliseconds > stallTimeout && bytes * 1000 < milliseconds * crawl;
}

/** The error for one that does. */
export function crawling(): Error {
  return new Error(`less than ${crawl} bytes a second`);
}

interface Waiting {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const finished: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

/** The body of a response: read once, by one reader, with back-pressure down to the socket. */
export class ResponseBody implements AsyncIterable<Uint8Array> {
  readonly #signal: AbortSignal | undefined;
  readonly #slabs: Slabs;
  readonly #stallTimeout: number;
  #controller: Dispatcher.DispatchController | undefined;
  readonly #chunks: Uint8Array[] = [];
  #block: Uint8Array | undefined;
  #queued = 0;
  #begun = false;
  #waiting: Waiting | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #state: 'open' | 'ended' | 'failed' = 'open';
  #error: unknown;
  #discarded: number | undefined;
  readonly #over = Promise.withResolvers<void>();
  #rejectHead: ((error: unknown) => void) | undefined;

  /** `stallTimeout` is the longest pause in milliseconds while it is read as a whole. */
  constructor(signal: AbortSignal | undefined, slabs: Slabs, stallTimeout: number) {
    this.#signal = signal;
    this.#slabs = slabs;
    this.#stallTimeout = stallTimeout;
    signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** Calls back when the signal fires before the head of the response is there. */
  onAbort(reject: (error: unknown) => void): void {
    this.#rejectHead = reject;
  }

  start(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#state === 'failed') controller.abort(new Error('given up'));
  }

  push(chunk: Uint8Array): void {
    if (!this.#begun) this.#slabs.begin(chunk);
    this.#begun = true;
    if (this.#discarded !== undefined) {
      this.#drop(chunk.byteLength);
      return;
    }
    this.#queue(chunk);
    this.#offer();
    if (this.#queued >= highWater) this.#controller?.pause();
  }

  #queue(chunk: Uint8Array): void {
    this.#queued += chunk.byteLength;
    const last = this.#chunks.at(-1);
    const size = (last?.byteLength ?? 0) + chunk.byteLength;
    if (last !== undefined && this.#slabs.follows(last, chunk))
      this.#chunks[this.#chunks.length - 1] = new Uint8Array(last.buffer, last.byteOffset, size);
    else if (last !== undefined && chunk.byteLength < smallPiece && size <= blockSize)
      this.#chunks[this.#chunks.length - 1] = this.#joined(last, chunk);
    else {
      this.#slabs.hold(chunk);
      this.#chunks.push(chunk);
    }
  }

  // In a block of one's own, behind the last piece if that is in it: nothing else can be there.
  #joined(last: Uint8Array, chunk: Uint8Array): Uint8Array {
    const size = last.byteLength + chunk.byteLength;
    let block = this.#block;
    let start = last.byteOffset;
    if (block === undefined || last.buffer !== block.buffer || start + size > blockSize) {
      block = Buffer.allocUnsafeSlow(blockSize);
      start = 0;
      block.set(last);
      this.#slabs.release(last);
      this.#block = block;
    }
    block.set(chunk, start + last.byteLength);
    return block.subarray(start, start + size);
  }

  /** Whether the first of what has come grows no more, or is enough as it is. While the server is held back, nothing comes. */
  get #isWhole(): boolean {
    return this.#chunks.length > 1 || this.#queued >= highWater || this.#controller?.paused === true;
  }

  /** Gives a reader that waits what there is, at once or when it has had the time to become whole. */
  #offer(): void {
    if (this.#waiting === undefined) return;
    const isHere = this.#chunks.length > 0;
    if (this.#state !== 'open' || (isHere && this.#isWhole)) this.#serve(this.#waiting);
    else if (isHere) this.#gathering ??= setTimeout(this.#serve, gatherPatience, this.#waiting);
  }

  readonly #serve = (waiting: Waiting): void => {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#waiting = undefined;
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) waiting.resolve({ done: false, value: this.#unqueued(chunk) });
    else if (this.#state === 'ended') waiting.resolve(finished);
    else waiting.reject(this.#error);
  };

  #unqueued(chunk: Uint8Array): Uint8Array {
    this.#queued -= chunk.byteLength;
    if (this.#queued < lowWater && this.#controller?.paused === true) this.#controller.resume();
    return chunk;
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#settle();
    this.#offer();
  }

  /** Ends the body with an error; returns the one that counts, which is the signal's reason when that came first. */
  fail(error: unknown): unknown {
    if (this.#state !== 'open') return this.#error ?? error;
    this.#state = 'failed';
    this.#error = error;
    this.#settle();
    this.#offer();
    return error;
  }

  /** The whole body. @throws DrayError `invalid-argument`, reason `bad-document`, over `limit` bytes. */
  async bytes(limit: number): Promise<Buffer> {
    const gathered = new Gathered();
    const began = performance.now();
    for await (const chunk of this) {
      checkDocumentSize(gathered.size + chunk.byteLength, limit);
      gathered.add(chunk);
      if (isCrawling(gathered.size, performance.now() - began, this.#stallTimeout)) throw crawling();
    }
    await turn();
    return gathered.take();
  }

  /** So many bytes of it at the most, and no more than come in time; the rest is given up. */
  async beginning(limit: number): Promise<Buffer> {
    const gathered = new Gathered();
    const began = performance.now();
    let isSlow = false;
    while (gathered.size < limit && !isSlow) {
      const result = await this.#next();
      if (result.done === true) break;
      gathered.add(result.value);
      this.#slabs.release(result.value);
      isSlow = isCrawling(gathered.size, performance.now() - began, this.#stallTimeout);
    }
    if (isSlow) this.cancel();
    await this.discard();
    return gathered.take().subarray(0, limit);
  }

  /**
   * Gives up what is left: a short rest is read away, a long one costs the connection. Waits for it for a moment, so that the
   * next request can have the connection.
   */
  async discard(): Promise<void> {
    if (this.#state === 'open' && this.#discarded === undefined) this.#beginDiscarding();
    if (this.#state === 'open') await waitAtMost(discardPatience, this.#over.promise);
    await turn();
  }

  #beginDiscarding(): void {
    this.#discarded = 0;
    const queued = this.#queued;
    this.#forget();
    this.#drop(queued);
    this.#controller?.resume();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: async () => {
        const result = await this.#next();
        return result.done === true ? result : { done: false, value: this.#slabs.own(result.value) };
      },
      return: async () => {
        this.cancel();
        return finished;
      },
    };
  }

  /** The next bytes, in memory that is used again as soon as they are given to {@link release}; undefined at the end. */
  async borrow(): Promise<Uint8Array | undefined> {
    return (await this.#next()).value;
  }

  release(bytes: Uint8Array): void {
    this.#slabs.release(bytes);
  }

  /** Borrowed bytes as one's own, to keep. */
  own(bytes: Uint8Array): Uint8Array {
    return this.#slabs.own(bytes);
  }

  /** Ends the transfer at once, with its connection unless the body is there already. */
  cancel(): void {
    if (this.#state !== 'open') return;
    this.fail(new Error('given up'));
    this.#forget();
    this.#controller?.abort(new Error('given up'));
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Uint8Array, undefined>>();
    this.#waiting = { resolve, reject };
    this.#offer();
    return promise;
  }

  #forget(): void {
    for (const chunk of this.#chunks.splice(0)) this.#slabs.release(chunk);
    this.#queued = 0;
  }

  #drop(bytes: number): void {
    this.#discarded = (this.#discarded ?? 0) + bytes;
    if (this.#discarded > discardLimit) this.cancel();
  }

  readonly #abort = (): void => {
    const reason: unknown = this.#signal?.reason;
    this.fail(reason);
    this.#rejectHead?.(reason);
    this.#controller?.abort(reason instanceof Error ? reason : new Error('aborted'));
  };

  #settle(): void {
    this.#over.resolve();
    this.#signal?.removeEventListener('abort', this.#abort);
  }
}
