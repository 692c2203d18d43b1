import type { FileHandle } from 'node:fs/promises';
import type { Digest } from '../../spec/digest.ts';
import { checkRange } from '../range.ts';
import type { AbortableOptions, BlobReader, RangeOptions } from '../store.ts';
import { verified } from '../verified.ts';
import { storeFailure } from './failure.ts';

const chunkSize = 1024 * 1024;

/** An open blob file. */
export class LocalReader implements BlobReader {
  readonly digest: Digest;
  readonly size: number;
  readonly path: string | undefined;
  readonly #handle: FileHandle;
  #closed: Promise<void> | undefined;

  constructor(handle: FileHandle, digest: Digest, size: number, path?: string) {
    this.#handle = handle;
    this.digest = digest;
    this.size = size;
    this.path = path;
  }

  async read(buffer: Uint8Array, position: number, { signal }: AbortableOptions = {}): Promise<number> {
    signal?.throwIfAborted();
    const length = Math.min(buffer.byteLength, this.size - position);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle
        .read(buffer, done, length - done, position + done)
        .catch((error: unknown) => {
          throw storeFailure(error, `read ${this.digest}`);
        });
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  stream(options: RangeOptions = {}): AsyncIterable<Uint8Array> {
    const { offset, length } = checkRange(this, options);
    const chunks = this.#chunks(offset, length, options);
    return offset === 0 && length === this.size ? verified(chunks, this) : chunks;
  }

  async *#chunks(offset: number, length: number, options: AbortableOptions): AsyncGenerator<Uint8Array> {
    const end = offset + length;
    for (let position = offset; position < end; ) {
      const buffer = Buffer.allocUnsafe(Math.min(chunkSize, end - position));
      const count = await this.read(buffer, position, options);
      // A file that became shorter under us; the digest check names it where the whole is read.
      if (count === 0) return;
      yield count === buffer.byteLength ? buffer : buffer.subarray(0, count);
      position += count;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#handle.close();
    await this.#closed;
  }
}
