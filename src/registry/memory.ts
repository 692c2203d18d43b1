import { refusal } from './codes.ts';

/** A bound on what the bodies of all requests together keep in memory, in bytes. */
export class MemoryBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** A share that grows with what is counted, until it is given back. */
  share(): MemoryShare {
    let taken = 0;
    const take = (bytes: number): void => {
      if (bytes > this.#left) throw refusal('TOOMANYREQUESTS', 'too much is being uploaded at once', { status: 503 });
      this.#left -= bytes;
      taken += bytes;
    };
    return {
      async *count(stream) {
        for await (const chunk of stream) {
          take(chunk.byteLength);
          yield chunk;
        }
      },
      [Symbol.dispose]: () => {
        this.#left += taken;
        taken = 0;
      },
    };
  }
}

/** Part of a {@link MemoryBudget}. */
export interface MemoryShare extends Disposable {
  /** @throws DrayError `TOOMANYREQUESTS`, status 503, when the budget is used up. */
  count(stream: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}
