/** A stream of a blob that somebody may leave early. */
export type BlobStream = AsyncIterableIterator<Uint8Array, undefined>;

/** The bytes of a blob from one host and, when that one breaks off for good, from another. */
export class Failover implements BlobStream {
  #goOn: ((offset: number, error: unknown) => Promise<BlobStream>) | undefined;
  #stream: BlobStream;
  #offset: number;

  /** `goOn` gives the stream from an offset on, or throws what the one before it failed with. */
  constructor(stream: BlobStream, offset: number, goOn: (offset: number, error: unknown) => Promise<BlobStream>) {
    this.#stream = stream;
    this.#offset = offset;
    this.#goOn = goOn;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      const result = await this.#stream.next();
      if (result.done !== true) this.#offset += result.value.byteLength;
      return result;
    } catch (error) {
      const goOn = this.#goOn;
      if (goOn === undefined) throw error;
      // Once: what the next stream fails with is its own, and where there are more hosts, it goes on by itself.
      this.#goOn = undefined;
      this.#stream = await goOn(this.#offset, error);
      return await this.next();
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    return (await this.#stream.return?.()) ?? { done: true, value: undefined };
  }
}
