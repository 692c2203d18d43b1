import type { FileHandle } from 'node:fs/promises';
import { algorithmOf, type Digest } from '../../spec/digest.ts';
import { checkRange } from '../range.ts';
import type { AbortableOptions, BlobReader, RangeOptions } from '../store.ts';
import { checkDigest, sizeMismatch, verified } from '../verified.ts';
import { storeFailure } from './failure.ts';
import type { Hashing } from './hashing.ts';
import { type FileRangeOptions, readFileRange } from './read-file.ts';

/** What a {@link LocalReader} takes over. */
export interface OpenBlobFile {
  readonly handle: FileHandle;
  readonly digest: Digest;
  readonly size: number;
  readonly path: string;
  readonly hashing: Hashing;
}

type Range = FileRangeOptions & { readonly offset: number; readonly length: number };

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
    const range = { ...options, offset, length };
    if (length < this.size) return this.#pieces(range);
    return options.transient === true ? this.#hashedAhead(range) : verified(this.#pieces(range), this);
  }

  async *#pieces({ offset, length, ...options }: Range): AsyncGenerator<Uint8Array> {
    let left = length;
    try {
      for await (const piece of readFileRange(this.#handle, { ...options, offset, length })) {
        left -= piece.byteLength;
        yield piece;
      }
    } catch (error) {
      throw storeFailure(error, `read ${this.digest}`);
    }
    // The file became shorter under us.
    if (left > 0) throw sizeMismatch(this.digest, this.size, offset + length - left, false);
  }

  // The whole blob. The last piece is given on when the digest is right.
  async *#hashedAhead(range: Range): AsyncGenerator<Uint8Array> {
    const hasher = this.#hashing.verifier(algorithmOf(this.digest), this.size);
    const check = async (): Promise<void> => checkDigest(this.digest, await hasher.digest());
    try {
      let left = range.length;
      for await (const piece of this.#pieces({ ...range, ahead: (next) => hasher.update(next) })) {
        left -= piece.byteLength;
        if (left === 0) await check();
        yield piece;
      }
      if (range.length === 0) await check();
    } finally {
      hasher.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#handle.close();
    await this.#closed;
  }
}
