/** Bytes of a slab. A connection reads into one until it is full. */
const slabSize = 1024 * 1024;

/** Less room than this is not worth a read. */
const leastRoom = 64 * 1024;

/** Slabs that wait for their next use. */
const kept = 16;

interface Slab {
  readonly bytes: Uint8Array;
  holders: number;
  /** Where the last body began that began in it. */
  begin: number | undefined;
}

/**
 * Memory that sockets read into and that is used again: fresh memory for each read costs more than the read. Whoever keeps
 * bytes of a slab beyond the call that brought them holds them, and releases them when done. Bytes that are not of a slab
 * pass unharmed. A slab that somebody forgets to release is garbage like any other memory.
 */
export class Slabs {
  readonly #free: Slab[] = [];
  readonly #slabs = new WeakMap<ArrayBufferLike, Slab>();

  /** The memory of a slab, held once. */
  take(): Uint8Array {
    const slab = this.#free.pop() ?? this.#make();
    slab.holders = 1;
    slab.begin = undefined;
    return slab.bytes;
  }

  hold(bytes: Uint8Array): void {
    const slab = this.#slabs.get(bytes.buffer);
    if (slab !== undefined) slab.holders += 1;
  }

  release(bytes: Uint8Array): void {
    const slab = this.#slabs.get(bytes.buffer);
    if (slab === undefined) return;
    slab.holders -= 1;
    if (slab.holders === 0 && this.#free.length < kept) this.#free.push(slab);
  }

  /** These are the first bytes of a body. */
  begin(bytes: Uint8Array): void {
    const slab = this.#slabs.get(bytes.buffer);
    if (slab !== undefined) slab.begin = bytes.byteOffset;
  }

  /** Where in a slab the last body began that began there. */
  beginIn(bytes: Uint8Array): number | undefined {
    return this.#slabs.get(bytes.buffer)?.begin;
  }

  /** Held bytes as one's own: as they are where nobody else uses their memory, else a copy, and the bytes are released. */
  own(bytes: Uint8Array): Uint8Array {
    if (!this.#slabs.has(bytes.buffer)) return bytes;
    const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
    copy.set(bytes);
    this.release(bytes);
    return copy;
  }

  /** Whether `next` follows `bytes` in the same slab, so that both are one piece. */
  follows(bytes: Uint8Array, next: Uint8Array): boolean {
    return (
      bytes.buffer === next.buffer &&
      bytes.byteOffset + bytes.byteLength === next.byteOffset &&
      this.#slabs.has(bytes.buffer)
    );
  }

  #make(): Slab {
    // Shared, so that another thread can hash what is in it.
    const slab = { bytes: new Uint8Array(new SharedArrayBuffer(slabSize)), holders: 1, begin: undefined };
    this.#slabs.set(slab.bytes.buffer, slab);
    return slab;
  }
}

/**
 * The slab that one connection reads into. Once a body began, each slab ends where a multiple of 1 MiB of the body does: files
 * are written fastest in such pieces.
 */
export class Inlet {
  readonly #slabs: Slabs;
  #slab: Uint8Array | undefined;
  #filled = 0;
  /** How much of the slab is used. */
  #limit = slabSize;
  #least = leastRoom;

  constructor(slabs: Slabs) {
    this.#slabs = slabs;
  }

  /** Where the next bytes go. */
  room(): Uint8Array {
    if (this.#slab !== undefined && this.#limit - this.#filled < this.#least) this.#next(this.#slab);
    this.#slab ??= this.#slabs.take();
    return this.#slab.subarray(this.#filled, this.#limit);
  }

  #next(slab: Uint8Array): void {
    const [begin, filled] = [this.#slabs.beginIn(slab), this.#filled];
    this.close();
    this.#limit = begin === undefined ? slabSize : slabSize - ((filled - begin) % slabSize);
    if (begin !== undefined) this.#least = 1;
  }

  /** The `count` bytes that have come into the room. */
  arrived(count: number): Uint8Array {
    this.#filled += count;
    return (this.#slab ?? new Uint8Array(0)).subarray(this.#filled - count, this.#filled);
  }

  /** Lets go of the slab, once, whoever asks how often. */
  close(): void {
    if (this.#slab !== undefined) this.#slabs.release(this.#slab);
    this.#slab = undefined;
    this.#filled = 0;
  }
}
