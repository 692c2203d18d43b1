import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { DrayError } from '../../errors.ts';
import { type Algorithm, createHasher, type Digest } from '../../spec/digest.ts';
import type { HashAnswer, HashTask } from './hash-thread.ts';

/** Smaller blobs are hashed sooner than a thread is told of them; in bytes. */
const worthwhile = 4 * 1024 * 1024;

/** As many bytes are hashed in the time that the first thread takes to begin. */
const worthBeginning = 128 * 1024 * 1024;

// Half of what is beside the main thread; the rest reads, writes and serves.
const idleProcessors = Math.ceil((availableParallelism() - 1) / 2);

// What is read is mostly sent on, by this process and often to a server beside it.
const verifiesOnThreads = availableParallelism() > 2;

/** More threads than this wait for the disk or the network. */
const mostThreads = 3;

/** A digest over bytes that come one after another, computed beside other work. */
export interface StreamHasher {
  readonly algorithm: Algorithm;
  /** Resolves when the chunk is not looked at any more. One call at a time. */
  update(chunk: Uint8Array): Promise<void>;
  /** The digest of what was given so far; more may follow. */
  digest(): Promise<Digest>;
  /** Ends it; it may be called more than once. */
  close(): void;
}

/** Computes digests, those of large blobs on threads of its own, which do not keep the process alive. Whoever makes it ends it. */
export class Hashing implements Disposable {
  readonly #threads: HashThread[] = [];
  #limit: number;
  #next = 0;
  /** Bytes that were said to come, all together. */
  #announced = 0;

  /** `threads` is how many there may be; as many as the machine has processors to spare if not said. */
  constructor(threads: number = Math.min(mostThreads, idleProcessors)) {
    this.#limit = threads;
  }

  /** A fresh hasher. `size` is how much is going to come, as far as that is known. */
  hasher(algorithm: Algorithm, size = 0): StreamHasher {
    this.#announced += size;
    const isWorthwhile = size >= worthwhile && (this.#threads.length > 0 || this.#announced >= worthBeginning);
    const thread = isWorthwhile && algorithm !== 'blake3' ? this.#thread() : undefined;
    return thread === undefined ? new InlineHasher(algorithm) : thread.hasher(algorithm);
  }

  /** A fresh hasher for `size` bytes that are read to be given to somebody else. */
  verifier(algorithm: Algorithm, size: number): StreamHasher {
    return this.hasher(algorithm, verifiesOnThreads ? size : 0);
  }

  #thread(): HashThread | undefined {
    if (this.#threads.length < this.#limit) this.#begin();
    this.#next += 1;
    const thread = this.#threads.at(this.#next % Math.max(1, this.#threads.length));
    return thread?.isLost === true ? undefined : thread;
  }

  #begin(): void {
    try {
      this.#threads.push(new HashThread());
    } catch {
      // A process may be allowed none, or lack the file; then it hashes by itself.
      this.#limit = 0;
    }
  }

  [Symbol.dispose](): void {
    for (const thread of this.#threads.splice(0)) thread.stop();
  }
}

class InlineHasher implements StreamHasher {
  readonly algorithm: Algorithm;
  readonly #hasher;

  constructor(algorithm: Algorithm) {
    this.algorithm = algorithm;
    this.#hasher = createHasher(algorithm);
  }

  async update(chunk: Uint8Array): Promise<void> {
    this.#hasher.update(chunk);
  }

  async digest(): Promise<Digest> {
    return this.#hasher.digest();
  }

  close(): void {}
}

// Chunks as another thread can see them: those in shared memory as they are, others copied to where the last one was.
function makeVisible(): (chunk: Uint8Array) => Uint8Array {
  let place: Uint8Array = new Uint8Array(0);
  return (chunk) => {
    if (chunk.buffer instanceof SharedArrayBuffer) return chunk;
    if (place.byteLength < chunk.byteLength) place = new Uint8Array(new SharedArrayBuffer(chunk.byteLength));
    place.set(chunk);
    return place.subarray(0, chunk.byteLength);
  };
}

/** One thread, which answers tasks in their order. */
class HashThread {
  readonly #worker: Worker;
  readonly #waiting: PromiseWithResolvers<HashAnswer>[] = [];
  #hashers = 0;
  #loss: Error | undefined;

  constructor() {
    const name = import.meta.url.endsWith('.ts') ? './hash-thread.ts' : './hash-thread.js';
    const file = new URL(name, import.meta.url);
    // A program that was bundled with this may lack it, which its thread would tell only to whoever waits for a digest.
    if (!existsSync(file)) throw new Error(`${file} is not there`);
    this.#worker = new Worker(file, {
      env: SHARE_ENV,
      // Those of the process may be for its own script.
      execArgv: [],
      name: 'dray hashing',
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: HashAnswer) => this.#answered(answer));
    this.#worker.on('error', (error) => this.#lose(error));
    this.#worker.on('exit', () => this.#lose(undefined));
  }

  get isLost(): boolean {
    return this.#loss !== undefined;
  }

  hasher(algorithm: Algorithm): StreamHasher {
    this.#hashers += 1;
    const id = this.#hashers;
    const visible = makeVisible();
    let isOpen = true;
    return {
      algorithm,
      update: async (chunk) => void (await this.#ask({ id, algorithm, update: visible(chunk) })),
      digest: async () => `${algorithm}:${await this.#ask({ id, algorithm, digest: true })}`,
      close: () => {
        if (isOpen && !this.isLost) this.#ask({ id, forget: true }).catch(() => {});
        isOpen = false;
      },
    };
  }

  stop(): void {
    this.#lose(undefined);
    void this.#worker.terminate();
  }

  #ask(task: HashTask): Promise<HashAnswer> {
    if (this.#loss !== undefined) return Promise.reject(this.#loss);
    const waiting = Promise.withResolvers<HashAnswer>();
    // Whoever waits for an answer keeps the process alive.
    if (this.#waiting.push(waiting) === 1) this.#worker.ref();
    this.#worker.postMessage(task);
    return waiting.promise;
  }

  #answered(answer: HashAnswer): void {
    this.#waiting.shift()?.resolve(answer);
    if (this.#waiting.length === 0) this.#worker.unref();
  }

  #lose(cause: unknown): void {
    this.#loss ??= new DrayError('unknown', 'the thread that computes digests has ended', {
      cause,
      side: 'store',
      hint: 'run the command again: what was written is kept',
    });
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#loss);
  }
}
