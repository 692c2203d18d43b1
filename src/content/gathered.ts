const none: Uint8Array = new Uint8Array(0);

/**
 * Bytes that come in pieces, put together. A piece is copied when it comes, so that its memory may be used again, and however
 * small the pieces are, all of them take no more than twice their size: a list of a million pieces of one byte would take a
 * hundred times as much.
 */
export class Gathered {
  readonly #expected: number;
  #bytes = none;
  #size = 0;

  /** Room for `expected` bytes is made at once when a second piece comes. */
  constructor(expected: number = 0) {
    this.#expected = expected;
  }

  /** How many bytes there are. */
  get size(): number {
    return this.#size;
  }

  add(piece: Uint8Array): void {
    const size = this.#size + piece.byteLength;
    if (size > this.#bytes.byteLength) this.#grow(size);
    this.#bytes.set(piece, this.#size);
    this.#size = size;
  }

  /** All that came since the last time; whoever takes it may keep it. */
  take(): Buffer {
    const { buffer, byteOffset } = this.#bytes;
    const taken = Buffer.from(buffer, byteOffset, this.#size);
    this.#bytes = none;
    this.#size = 0;
    return taken;
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(this.#size === 0 ? size : Math.max(size, 2 * this.#size, this.#expected));
    larger.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = larger;
  }
}
