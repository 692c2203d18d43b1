import type { Learned } from './host-state.ts';

/** How a blob is sent: in one request, in chunks with their ranges, or as one chunk without a range. */
export type Way = 'whole' | 'chunks' | 'stream';

/** No chunk is made smaller than this part of the usual one to suit a registry. */
const leastPart = 16;

const every: readonly Way[] = ['whole', 'chunks', 'stream'];

/** The ways in which one blob can still be sent. What a registry refuses it is not asked for again, by other blobs neither. */
export class UploadWays {
  readonly #learned: Learned;
  readonly #size: number;
  readonly #usualChunk: number;
  readonly #refused = new Set<Way>();
  #wantsChunks = false;

  /** For a blob of `size` bytes, in chunks of `usualChunk` where the registry has no wish of its own. */
  constructor(learned: Learned, size: number, usualChunk: number) {
    this.#learned = learned;
    this.#size = size;
    this.#usualChunk = usualChunk;
  }

  /** Whether there is none left. */
  get areExhausted(): boolean {
    return every.every((way) => this.#refused.has(way));
  }

  /** The way to take from an offset on; the whole is sent from the beginning, in a session of its own. */
  at(offset: number): Way {
    const { largestBody = Number.POSITIVE_INFINITY, chunked = true } = this.#learned;
    const inParts = offset > 0 || this.#wantsChunks || this.#size > largestBody;
    const parts: readonly Way[] = chunked ? ['chunks', 'stream', 'whole'] : ['stream', 'whole', 'chunks'];
    const order: readonly Way[] = inParts ? parts : ['whole', 'stream', 'chunks'];
    return order.find((way) => !this.#refused.has(way)) ?? 'whole';
  }

  /** Bytes of a chunk. */
  get chunkSize(): number {
    const { smallestChunk = 1, largestChunk = Number.POSITIVE_INFINITY } = this.#learned;
    return Math.max(smallestChunk, Math.min(this.#usualChunk, largestChunk));
  }

  /** One connection does not last for the whole. */
  preferChunks(): void {
    this.#wantsChunks = true;
  }

  /** So many bytes were too many at once. */
  tooLarge(way: Way, sent: number): void {
    if (way === 'whole') this.#learned.largestBody = sent - 1;
    else this.#learned.largestChunk = Math.max(Math.ceil(this.#usualChunk / leastPart), Math.floor(sent / 2));
    const inChunks = this.#learned.chunked !== false && !this.#refused.has('chunks') && this.chunkSize < sent;
    if (way === 'stream' || !inChunks) this.#refused.add(way);
  }

  /** The registry does not want this way, for any blob when it refuses the pieces themselves. */
  refuse(way: Way, forAll: boolean): void {
    this.#refused.add(way);
    if (way === 'chunks' && forAll) this.#learned.chunked = false;
  }

  /** What arrived in pieces was wrong, perhaps because of the pieces. */
  sendWhole(): void {
    this.#refused.add('chunks').add('stream');
  }
}
