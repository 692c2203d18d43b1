import type { FileHandle } from 'node:fs/promises';
import { algorithmOf, type Digest } from '../../spec/digest.ts';
import { checkRange } from '../range.ts';
import type { AbortableOptions, BlobReader, RangeOptions } from '../store.ts';
import { checkDigest, sizeMismatch, verified } from '../verified.ts';
import { storeFailure } from './failure.ts';
import type { Hashing } from './hashing.ts';

const chunkSize = 1024 * 1024;

/** What a {@link LocalReader} takes over. */
export interface OpenBlobFile {
  readonly handle: FileHandle;
  readonly digest: Digest;
  readonly size: number;
  readonly path: string;
  readonly hashing: Hashing;
}

/** An open blob file. */
export class LocalReader implements BlobReader {
  readonly digest: Digest;
  readonly size: number;
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #hashing: Hashing;
  #closed: Promise<void> | undefined;

  constructor({ handle, digest, size, path, hashing }: OpenBlobFile) {
    this.#handle = handle;
    this.#hashing = hashing;
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
    if (options.transient === true) return this.#inTwoBuffers(offset, length, options);
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

  // While the caller has one buffer, the other is filled and hashed.
  async *#inTwoBuffers(offset: number, length: number, options: RangeOptions): AsyncGenerator<Uint8Array> {
    const shift = (options.position ?? 0) - offset;
    const [end, isWhole] = [offset + length, length === this.size];
    const hasher = isWhole ? this.#hashing.verifier(algorithmOf(this.digest), this.size) : undefined;
    const buffers: Uint8Array[] = [0, 1].map(() => new Uint8Array(new SharedArrayBuffer(Math.min(chunkSize, length))));
    const fill = async (position: number): Promise<Uint8Array> => {
      const [buffer = new Uint8Array(0)] = buffers.reverse();
      const size = Math.min(chunkSize - ((position + shift) % chunkSize), end - position);
      const count = await this.read(buffer.subarray(0, size), position, options);
      const chunk = buffer.subarray(0, count);
      await hasher?.update(chunk);
      return chunk;
    };
    let next = fill(offset);
    try {
      for (let position = offset; position < end; ) {
        const chunk = await next;
        position += chunk.byteLength;
        if (chunk.byteLength === 0) throw sizeMismatch(this.digest, this.size, position, false);
        if (position < end) next = fill(position);
        else if (hasher !== undefined) checkDigest(this.digest, await hasher.digest());
        yield chunk;
      }
      if (length === 0 && hasher !== undefined) checkDigest(this.digest, await hasher.digest());
    } finally {
      // The caller may have stopped early; neither file nor memory is let go under a read.
      await next.catch(() => {});
      hasher?.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#handle.close();
    await this.#closed;
  }
}
