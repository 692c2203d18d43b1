import { rest } from '../../content/abort.ts';
import type { BlobSource } from './blob-source.ts';
import type { ResponseBody } from './body.ts';
import { isTransient } from './connection-errors.ts';
import { backOff } from './retry.ts';

/** A part of a blob that is fetched before it is wanted, and kept until it is. */
export class Part {
  readonly start: number;
  readonly end: number;
  readonly #source: BlobSource;
  readonly #stop = new AbortController();
  readonly #release: () => void;
  readonly #chunks: { readonly bytes: Uint8Array; readonly body: ResponseBody }[] = [];
  #received = 0;
  #isOver = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  /** Begins to fetch; `leave` is called when the bytes are there, `release` when they are given out or given up. */
  constructor(source: BlobSource, start: number, end: number, leave: () => void, release: () => void) {
    this.#source = source;
    this.start = start;
    this.end = end;
    this.#release = release;
    this.#run().then(
      () => this.#finish(leave, undefined),
      (error: unknown) => this.#finish(leave, error),
    );
  }

  /**
   * The next bytes that are there, and the body that they are borrowed from.
   * @throws what fetching them failed with, once all before it was given out.
   */
  take(): { readonly bytes: Uint8Array; readonly body: ResponseBody } | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined && this.#error !== undefined) throw this.#error;
    return chunk;
  }

  /** Whether everything was given out. */
  get isEmpty(): boolean {
    return this.#isOver && this.#chunks.length === 0 && this.#error === undefined;
  }

  /** Waits until there is more, or the end. */
  async more(): Promise<void> {
    if (this.#chunks.length > 0 || this.#isOver) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
  }

  /** Gives up what is left of it; once. */
  close(): void {
    this.#stop.abort();
    for (const { bytes, body } of this.#chunks.splice(0)) body.release(bytes);
    this.#release();
  }

  async #run(): Promise<void> {
    const { retry } = this.#source.host.context;
    for (let failures = 0; this.#received < this.end - this.start; ) {
      const before = this.#received;
      try {
        await this.#receive();
      } catch (error) {
        failures = this.#received > before ? 1 : failures + 1;
        const mayGoOn = this.#source.isRanged && isTransient(error) && failures < retry.attempts;
        if (this.#stop.signal.aborted || !mayGoOn) throw error;
        await rest(backOff(retry, failures + 1), this.#stop.signal);
      }
    }
  }

  async #receive(): Promise<void> {
    const { response, skip } = await this.#source.open(this.start + this.#received, this.end);
    if (skip > 0 || response.status !== 206) {
      response.body.cancel();
      throw new Error('the registry has stopped serving ranges');
    }
    const { body } = response;
    try {
      for (let bytes = await body.borrow(); bytes !== undefined; bytes = await body.borrow()) {
        if (this.#stop.signal.aborted) throw new Error('given up');
        this.#received += bytes.byteLength;
        this.#chunks.push({ bytes, body });
        this.#wake?.();
      }
    } finally {
      body.cancel();
    }
    if (this.#received < this.end - this.start) throw new Error('the body ended early');
  }

  #finish(leave: () => void, error: unknown): void {
    this.#isOver = true;
    this.#error = error;
    leave();
    this.#wake?.();
  }
}
