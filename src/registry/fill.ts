import { unlessAborted } from '../content/abort.ts';
import { type Fetcher, type FetchOptions, type OpenBlob, refOf, writeBlob } from '../content/copy.ts';
import type { AbortableOptions, ContentStore } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';

/** Bytes that wait for one follower before it is left to read from the store. */
const queueLimit = 2 * 1024 * 1024;

interface Follower {
  readonly queue: Uint8Array[];
  /** Bytes in the queue. */
  bytes: number;
  /** Bytes that it was given as they came. */
  given: number;
  /** Whether it still gets the bytes as they come. */
  live: boolean;
  /** Whether what it was given has turned out wrong. */
  spoiled: boolean;
  wake: () => void;
}

/**
 * One blob on its way from somewhere else into the store. Everybody who wants it meanwhile follows the one transfer: who was
 * there from the start gets the bytes as they come, and everybody the rest from the store. The last bytes are given out when
 * all are known to be right.
 */
export class Fill {
  readonly target: Descriptor;
  /** Settles when the blob is in the store, or will not be. */
  readonly done: Promise<void>;
  readonly #content: ContentStore;
  readonly #followers = new Set<Follower>();
  readonly #started = Promise.withResolvers<void>();
  #moving = false;
  #ended = false;

  constructor(content: ContentStore, target: Descriptor, fetcher: () => Promise<Fetcher>, signal: AbortSignal) {
    this.#content = content;
    this.target = target;
    this.done = this.#run(fetcher, signal);
    this.done.then(this.#started.resolve, this.#started.reject);
    // Whoever waits for them hears of a failure; nobody else has to.
    this.done.catch(() => {});
    this.#started.promise.catch(() => {});
  }

  /** Resolves with the first bytes. @throws what the transfer failed with before them. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  async #run(fetcher: () => Promise<Fetcher>, signal: AbortSignal): Promise<void> {
    try {
      const source = await fetcher();
      const open: OpenBlob = (offset = 0, options = {}) => this.#passOn(source, { ...options, offset, signal });
      await writeBlob(this.#content, refOf(this.target), this.target, open, { signal });
    } finally {
      this.#ended = true;
      this.#leaveBehind();
    }
  }

  async *#passOn(source: Fetcher, options: FetchOptions & { readonly offset: number }): AsyncGenerator<Uint8Array> {
    if (options.distrust) for (const follower of this.#followers) follower.spoiled = follower.given > 0;
    // What an earlier transfer left is in the store alone.
    if (options.offset > 0 || this.#moving) this.#leaveBehind();
    this.#moving = true;
    let position = options.offset;
    for await (const chunk of await source.fetch(this.target, options)) {
      // A copy, since the source may use its buffer again; taken before it does.
      const copy = this.#followers.size === 0 ? undefined : Buffer.from(chunk);
      yield chunk;
      position += chunk.byteLength;
      this.#started.resolve();
      if (copy !== undefined && position < this.target.size) this.#give(copy);
      else this.#leaveBehind();
    }
  }

  #give(chunk: Uint8Array): void {
    for (const follower of this.#followers) {
      if (!follower.live) continue;
      follower.live = follower.bytes + chunk.byteLength <= queueLimit;
      if (follower.live) {
        follower.queue.push(chunk);
        follower.bytes += chunk.byteLength;
        follower.given += chunk.byteLength;
      }
      follower.wake();
    }
  }

  // They read the rest from the store.
  #leaveBehind(): void {
    for (const follower of this.#followers) {
      follower.live = false;
      follower.wake();
    }
  }

  /** The whole blob, from now on. @throws what the transfer fails with. */
  follow(options: AbortableOptions = {}): AsyncIterable<Uint8Array> {
    const live = !this.#moving && !this.#ended;
    const follower: Follower = { queue: [], bytes: 0, given: 0, live, spoiled: false, wake: () => {} };
    this.#followers.add(follower);
    return this.#chunksFor(follower, options);
  }

  async *#chunksFor(follower: Follower, { signal }: AbortableOptions): AsyncGenerator<Uint8Array> {
    let offset = 0;
    try {
      while (follower.live || follower.queue.length > 0) {
        const chunk = follower.queue.shift();
        if (chunk === undefined) {
          await this.#news(follower, signal);
          continue;
        }
        follower.bytes -= chunk.byteLength;
        offset += chunk.byteLength;
        yield chunk;
      }
      await unlessAborted(this.done, signal);
    } finally {
      this.#followers.delete(follower);
    }
    if (follower.spoiled) throw spoiled(this.target);
    await using reader = await this.#content.reader(this.target, { signal });
    yield* reader.stream({ offset, signal });
  }

  async #news(follower: Follower, signal: AbortSignal | undefined): Promise<void> {
    const news = new Promise<void>((resolve) => {
      follower.wake = resolve;
    });
    await unlessAborted(news, signal);
  }
}

// The transfer has begun anew and may well succeed, but not for somebody who has some of the wrong bytes.
function spoiled({ digest }: Descriptor): DrayError {
  return new DrayError('data-loss', `what came first of ${digest} was something else`, {
    reason: 'digest-mismatch',
    hint: 'ask for it again',
  });
}
