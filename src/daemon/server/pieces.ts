import type { AbortableOptions, BlobReader } from '../../content/store.ts';

/** What is read at once when somebody reads on piece by piece. */
const aheadSize = 1024 * 1024;

/** For how long bytes that were read ahead are given without a look at whether the blob is still there, in milliseconds. */
const freshness = 100;

/** A blob that is read in small pieces: who goes on where the piece before ended finds what comes next in memory. */
export class Pieces {
  readonly reader: BlobReader;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #readAt = 0;
  /** Where the last piece ended. */
  #end = 0;

  constructor(reader: BlobReader) {
    this.reader = reader;
  }

  /** The bytes of a range when they were read ahead a moment ago, as part of one read with the piece before. */
  ahead(offset: number, length: number): Uint8Array | undefined {
    if (length <= 0 || performance.now() - this.#readAt > freshness) return undefined;
    const bytes = this.#read(offset, length);
    if (bytes !== undefined) this.#end = offset + length;
    return bytes;
  }

  forget(): void {
    this.#bytes = new Uint8Array(0);
  }

  /** The bytes of a range that is within the blob, fewer when the blob ends before. They may not be changed. */
  async piece(offset: number, length: number, options: AbortableOptions): Promise<Uint8Array> {
    const isNext = offset === this.#end;
    this.#end = offset + length;
    const known = this.#read(offset, length);
    if (known !== undefined) return known;
    if (!isNext) return await this.#load(offset, length, options);
    const bytes = await this.#load(offset, Math.max(length, aheadSize), options);
    [this.#start, this.#bytes, this.#readAt] = [offset, bytes, performance.now()];
    return bytes.subarray(0, length);
  }

  #read(offset: number, length: number): Uint8Array | undefined {
    const at = offset - this.#start;
    return at >= 0 && at + length <= this.#bytes.byteLength ? this.#bytes.subarray(at, at + length) : undefined;
  }

  async #load(offset: number, length: number, options: AbortableOptions): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(Math.min(length, this.reader.size - offset));
    return buffer.subarray(0, await this.reader.read(buffer, offset, options));
  }
}
