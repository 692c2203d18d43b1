import { checkRange } from '../../content/range.ts';
import type { AbortableOptions, BlobReader, Info, RangeOptions } from '../../content/store.ts';
import { sizeMismatch, verified } from '../../content/verified.ts';
import type { Digest } from '../../spec/digest.ts';
import { Content } from '../gen/content_pb.ts';
import type { Session } from './session.ts';

/** A blob of a daemon. Nothing is held open over there between two reads. */
export class DaemonReader implements BlobReader {
  readonly digest: Digest;
  readonly size: number;
  readonly #session: Session;

  constructor(session: Session, { digest, size }: Pick<Info, 'digest' | 'size'>) {
    this.#session = session;
    this.digest = digest;
    this.size = size;
  }

  async read(buffer: Uint8Array, position: number, { signal }: AbortableOptions = {}): Promise<number> {
    signal?.throwIfAborted();
    const length = Math.min(buffer.byteLength, this.size - position);
    let done = 0;
    for await (const chunk of this.#chunks(position, length, { transient: true, signal })) {
      buffer.set(chunk, done);
      done += chunk.byteLength;
    }
    return done;
  }

  stream(options: RangeOptions = {}): AsyncIterable<Uint8Array> {
    const { offset, length } = checkRange(this, options);
    const chunks = this.#chunks(offset, length, options);
    return offset === 0 && length === this.size ? verified(chunks, this) : chunks;
  }

  async *#chunks(offset: number, length: number, { transient, signal }: RangeOptions): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted();
    // A size of 0 would mean to the end.
    if (length <= 0) return;
    const range = { digest: this.digest, offset: BigInt(offset), size: BigInt(length) };
    let rest = length;
    for await (const { data } of this.#session.stream(Content.method.read, range, { transient, signal })) {
      rest -= data.byteLength;
      if (rest < 0) throw sizeMismatch(this.digest, length, length - rest, true);
      if (data.byteLength > 0) yield data;
    }
    if (rest > 0) throw sizeMismatch(this.digest, length, length - rest, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
