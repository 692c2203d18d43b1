import type { FileHandle } from 'node:fs/promises';
import { checkChunk } from '../content/chunk.ts';
import { readFileRange } from '../content/local/read-file.ts';
import type { AbortableOptions } from '../content/store.ts';
import { truncated } from './archive-error.ts';

/** Bytes that are read from the front to the back, some skipped. One call at a time. */
export interface ByteSource {
  /** Bytes read and skipped so far. */
  readonly position: number;
  /** The next `size` bytes, fewer only at the end. The view is good until the next call. */
  take(size: number): Promise<Uint8Array>;
  /**
   * The next `size` bytes in pieces, each good until the next one is asked for.
   * @throws DrayError `data-loss`, reason `bad-archive`, when there are not as many.
   */
  stream(size: number): AsyncGenerator<Uint8Array>;
  /** Leaves out `size` bytes. @throws DrayError `data-loss`, reason `bad-archive`, when there are not as many. */
  skip(size: number): Promise<void>;
}

/** A source over a stream, which is read as far as it is asked for and not closed. */
export class StreamSource implements ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  get position(): number {
    return this.#position;
  }

  /** As {@link take}, without moving on. */
  async peek(size: number): Promise<Uint8Array> {
    const start = await this.take(size);
    this.#chunk = this.#chunk.byteLength === 0 ? start : Buffer.concat([start, this.#chunk]);
    this.#position -= start.byteLength;
    return start;
  }

  /** All that is left. */
  async *rest(): AsyncGenerator<Uint8Array> {
    while (await this.#fill()) yield this.#cut(this.#chunk.byteLength);
  }

  async take(size: number): Promise<Uint8Array> {
    if (this.#chunk.byteLength >= size) return this.#cut(size);
    const parts: Uint8Array[] = [];
    for (let left = size; left > 0 && (await this.#fill()); ) {
      const part = this.#cut(Math.min(left, this.#chunk.byteLength));
      parts.push(part);
      left -= part.byteLength;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  async *stream(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0; ) {
      if (!(await this.#fill())) throw truncated('the data of an entry');
      const part = this.#cut(Math.min(left, this.#chunk.byteLength));
      left -= part.byteLength;
      yield part;
    }
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0; ) {
      if (!(await this.#fill())) throw truncated('the data of an entry');
      left -= this.#cut(Math.min(left, this.#chunk.byteLength)).byteLength;
    }
  }

  #cut(size: number): Uint8Array {
    const part = this.#chunk.subarray(0, size);
    this.#chunk = this.#chunk.subarray(size);
    this.#position += size;
    return part;
  }

  async #fill(): Promise<boolean> {
    while (this.#chunk.byteLength === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      checkChunk(next.value);
      this.#chunk = next.value;
    }
    return true;
  }
}

/** A source over an open file, in which what is skipped is not read. */
export class FileSource implements ByteSource {
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #signal: AbortSignal | undefined;
  #block: Uint8Array = new Uint8Array(0);
  #blockStart = 0;
  #position = 0;

  /** `size` is that of the file, in bytes. */
  constructor(handle: FileHandle, size: number, { signal }: AbortableOptions = {}) {
    this.#handle = handle;
    this.#size = size;
    this.#signal = signal;
  }

  get position(): number {
    return this.#position;
  }

  async take(size: number): Promise<Uint8Array> {
    this.#signal?.throwIfAborted();
    const wanted = Math.min(size, this.#size - this.#position);
    const start = this.#position - this.#blockStart;
    if (start < 0 || start + wanted > this.#block.byteLength) {
      this.#block = await this.#read(Math.max(wanted, headerReadSize));
      this.#blockStart = this.#position;
      return this.#advance(this.#block.subarray(0, wanted));
    }
    return this.#advance(this.#block.subarray(start, start + wanted));
  }

  #advance(part: Uint8Array): Uint8Array {
    this.#position += part.byteLength;
    return part;
  }

  // Small entries follow each other closely, so a header is read with some of what is behind it.
  async #read(size: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(Math.min(size, this.#size - this.#position));
    let done = 0;
    while (done < buffer.byteLength) {
      const { bytesRead } = await this.#handle.read(buffer, done, buffer.byteLength - done, this.#position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  }

  async *stream(size: number): AsyncGenerator<Uint8Array> {
    const end = this.#position + size;
    if (size <= headerReadSize) {
      const bytes = await this.take(size);
      if (bytes.byteLength < size) throw truncated('the data of an entry');
      if (size > 0) yield bytes;
      return;
    }
    const range = { offset: this.#position, length: size, transient: true, signal: this.#signal };
    for await (const chunk of readFileRange(this.#handle, range)) {
      this.#position += chunk.byteLength;
      yield chunk;
    }
    if (this.#position < end) throw truncated('the data of an entry');
  }

  async skip(size: number): Promise<void> {
    this.#signal?.throwIfAborted();
    if (this.#position + size > this.#size) throw truncated('the data of an entry');
    this.#position += size;
  }
}

const headerReadSize = 16 * 1024;

/** The same stream, of which the next chunk is asked for while the reader is busy with one. */
export async function* readAhead(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]();
  try {
    let next = chunks.next();
    for (;;) {
      const { done, value } = await next;
      if (done === true) return;
      next = chunks.next();
      // Its failure is told when the reader comes back for it.
      next.catch(() => {});
      yield value;
    }
  } finally {
    await chunks.return?.();
  }
}
