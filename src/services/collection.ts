import type { AbortableOptions } from '../content/store.ts';

/** Options of {@link Collection}. */
export interface CollectionOptions {
  /** Collects what nothing in the store needs any more. */
  readonly collect: (options: AbortableOptions) => Promise<unknown>;
  /** Milliseconds from a deletion to the collection that it causes; 1 second if not said. */
  readonly delay?: number | undefined;
  /** Milliseconds between collections that nobody asked for; 10 minutes if not said. */
  readonly interval?: number | undefined;
  /** Told of a collection that failed; the next one may not. */
  readonly onError: (error: unknown) => void;
}

/** Collects while a store is served: a while after something was deleted, and now and then. One collection at a time. */
export class Collection implements AsyncDisposable {
  readonly #options: CollectionOptions | undefined;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #soon = false;

  /** Without options nothing is ever collected. */
  constructor(options: CollectionOptions | undefined) {
    this.#options = options;
    this.#schedule(false);
  }

  /** Something was deleted. */
  wanted(): void {
    if (this.#soon) return;
    this.#soon = true;
    if (this.#running === undefined) this.#schedule(true);
  }

  #schedule(soon: boolean): void {
    clearTimeout(this.#timer);
    if (this.#options === undefined || this.#stop.signal.aborted) return;
    const { delay = 1_000, interval = 600_000 } = this.#options;
    this.#timer = setTimeout(() => this.#run(), soon ? delay : interval).unref();
  }

  #run(): void {
    this.#soon = false;
    this.#running = this.#collect().finally(() => {
      this.#running = undefined;
      this.#schedule(this.#soon);
    });
  }

  async #collect(): Promise<void> {
    const { signal } = this.#stop;
    try {
      await this.#options?.collect({ signal });
    } catch (error) {
      if (!signal.aborted) this.#options?.onError(error);
    }
  }

  /** Ends a collection that is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }
}
