import type { AbortableOptions, BlobReader } from '../../content/store.ts';

/** What is read at once when somebody reads on piece by piece. */
const aheadSize = 1024 * 1024;

/** A blob that is read in small pieces: who goes on where the piece before ended finds what comes next in memory. */
export class Pieces {
  readonly reader: BlobReader;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where the last piece ended. */
  #end = 0;

  constructor(reader: BlobReader) {
    this.reader = reader;
  }

  /** The bytes of a range that is within the blob, fewer when the blob ends before. They may not be changed. */
  async piece(offset: number, length: number, options: AbortableOptions): Promise<Uint8Array> {
    const isNext = offset === this.#end;
    this.#end = offset + length;
    const at = offset - this.#start;
    if (at >= 0 && at + length <= this.#bytes.byteLength) return this.#bytes.subarray(at, at + length);
    if (!isNext) return await this.#load(offset, length, options);
    const bytes = await this.#load(offset, Math.max(length, aheadSize), options);
    [this.#start, this.#bytes] = [offset, bytes];
    return bytes.subarray(0, length);
  }

  async #load(offset: number, length: number, options: AbortableOptions): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(Math.min(length, this.reader.size - offset));
    return buffer.subarray(0, await this.reader.read(buffer, offset, options));
  }
}
