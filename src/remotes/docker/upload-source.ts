import type { OpenBlob } from '../../content/copy.ts';
import { sizeMismatch } from '../../content/verified.ts';
import type { Descriptor } from '../../spec/descriptor.ts';

/**
 * So many bytes fill the queue of a socket: what is sent next is asked for when the socket has let go of them. Fewer may
 * still wait there; in bytes.
 */
const fillsQueue = 64 * 1024;

/** The bytes of a blob in pieces, one after another; opened anew only when another piece is wanted than the next one. */
export class UploadSource {
  readonly #target: Descriptor;
  readonly #open: OpenBlob;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #rest: Uint8Array | undefined;
  #offset = 0;
  #error: { readonly cause: unknown } | undefined;
  #distrust = false;

  constructor(target: Descriptor, open: OpenBlob) {
    this.#target = target;
    this.#open = open;
  }

  /** Has the bytes come from elsewhere from now on; false when they do already. */
  distrust(): boolean {
    if (this.#distrust) return false;
    this.#distrust = true;
    this.#offset = Number.NaN;
    return true;
  }

  /** @throws what reading the source failed with, if it did: then nothing that was sent of it counts. */
  check(): void {
    if (this.#error !== undefined) throw this.#error.cause;
  }

  /**
   * The bytes from `start` to before `end`.
   * @throws DrayError `data-loss`, reason `size-mismatch`, when the source ends before; what the source throws.
   */
  async *read(start: number, end: number): AsyncGenerator<Uint8Array> {
    try {
      if (this.#iterator === undefined || start !== this.#offset) await this.#seek(start);
      while (this.#offset < end) {
        const chunk = await this.#next();
        const wanted = end - this.#offset;
        if (chunk.byteLength > wanted) this.#rest = chunk.subarray(wanted);
        const piece = chunk.byteLength > wanted ? chunk.subarray(0, wanted) : chunk;
        this.#offset += piece.byteLength;
        yield piece;
      }
    } catch (error) {
      this.#error ??= { cause: error };
      throw error;
    }
  }

  async close(): Promise<void> {
    const iterator = this.#iterator;
    this.#iterator = undefined;
    this.#rest = undefined;
    await iterator?.return?.();
  }

  async #seek(start: number): Promise<void> {
    await this.close();
    this.#iterator = this.#open(start, { distrust: this.#distrust, transient: true })[Symbol.asyncIterator]();
    this.#offset = start;
  }

  async #next(): Promise<Uint8Array> {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest !== undefined) return lasting(rest);
    const result = await this.#iterator?.next();
    if (result !== undefined && result.done !== true) return lasting(result.value);
    throw sizeMismatch(this.#target.digest, this.#target.size, this.#offset, false);
  }
}

// A chunk is good until the next one is asked for; one that may wait in the queue has to be good for longer.
function lasting(chunk: Uint8Array): Uint8Array {
  return chunk.byteLength >= fillsQueue ? chunk : new Uint8Array(chunk);
}
