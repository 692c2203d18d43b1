import type { AbortableOptions, BlobReader } from '../content/store.ts';
import { checkDigest, sizeMismatch } from '../content/verified.ts';
import { algorithmOf, createHasher, type Digest, type Hasher } from '../spec/digest.ts';

const pieceSize = 512 * 1024;

/** The most buffers that wait to be used again. */
const mostFree = 16;

/** Blobs below this are not worth sharing. */
const smallest = 4 * pieceSize;

/** A part of a blob, and the hash of everything up to its end. */
interface Piece {
  readonly bytes: Buffer;
  readonly start: number;
  readonly hasher: Hasher;
  /** What of it is counted as kept. */
  readonly kept: number;
  /** Whether the pass has let go of it. */
  dropped: boolean;
  /** How many are sending it. */
  users: number;
}

/**
 * Whole blobs for several clients at once. Many machines that pull the same image ask for the same layer at the same moment;
 * what one of them needs is read and hashed for all that are near it. Who falls behind reads by itself. Nobody gets the last
 * part before the whole is verified.
 */
export class SharedReads {
  readonly #passes = new Map<Digest, Pass>();
  readonly #memory: PieceMemory;

  /** Keeps at most `limit` bytes for those who come late or are slow. */
  constructor(limit: number) {
    this.#memory = new PieceMemory(limit);
  }

  /**
   * The bytes of an open blob, which stays the caller's. Each part of them is the caller's until it asks for the next one. Ends
   * with the error `data-loss` before its last part when they are not those of its digest.
   */
  stream(reader: BlobReader, options: AbortableOptions = {}): AsyncIterable<Uint8Array> {
    return reader.size < smallest ? reader.stream(options) : this.#follow(reader, options);
  }

  async *#follow(reader: BlobReader, { signal }: AbortableOptions): AsyncGenerator<Uint8Array> {
    const pass = this.#join(reader);
    let hasher = createHasher(algorithmOf(reader.digest));
    let offset = 0;
    try {
      while (offset < reader.size) {
        signal?.throwIfAborted();
        const piece = await pass.piece(offset, reader);
        if (piece === undefined) break;
        hasher = piece.hasher;
        offset += piece.bytes.byteLength;
        yield piece.bytes;
        // Not in a finally: who stops in the middle may still be sending it.
        piece.users -= 1;
        this.#memory.recycle(piece);
      }
    } finally {
      this.#leave(reader.digest, pass);
    }
    if (offset < reader.size) yield* alone(reader, offset, hasher.copy(), signal);
  }

  #join({ digest, size }: BlobReader): Pass {
    const known = this.#passes.get(digest);
    const pass = known?.canBeJoined ? known : new Pass(digest, size, this.#memory);
    this.#passes.set(digest, pass);
    pass.followers += 1;
    return pass;
  }

  #leave(digest: Digest, pass: Pass): void {
    pass.followers -= 1;
    if (pass.followers > 0) return;
    pass.clear();
    if (this.#passes.get(digest) === pass) this.#passes.delete(digest);
  }
}

/** What all passes keep together, and buffers that can be used again, since making them costs more than filling them. */
class PieceMemory {
  readonly #limit: number;
  readonly #free: Buffer[] = [];
  #kept = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether so many more bytes may be kept; they are counted when they may. */
  keep(bytes: number): boolean {
    if (this.#kept + bytes > this.#limit) return false;
    this.#kept += bytes;
    return true;
  }

  drop(piece: Piece): void {
    this.#kept -= piece.kept;
    piece.dropped = true;
    this.recycle(piece);
  }

  /** Takes the memory of a piece that was dropped and that nobody sends. */
  recycle({ bytes, dropped, users }: Piece): void {
    if (dropped && users === 0 && bytes.byteLength === pieceSize && this.#free.length < mostFree)
      this.#free.push(bytes);
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(pieceSize);
  }
}

/** One pass over a blob. The follower in front reads, the others get what it has read. */
class Pass {
  followers = 0;
  readonly #digest: Digest;
  readonly #size: number;
  readonly #memory: PieceMemory;
  readonly #hasher: Hasher;
  /** The latest pieces without a gap; the last of them ends where the pass is. */
  #pieces: Piece[] = [];
  #offset = 0;
  #reading: { readonly by: BlobReader; readonly done: Promise<void> } | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(digest: Digest, size: number, memory: PieceMemory) {
    this.#digest = digest;
    this.#size = size;
    this.#memory = memory;
    this.#hasher = createHasher(algorithmOf(digest));
  }

  /** Whether its beginning is still at hand. */
  get canBeJoined(): boolean {
    return this.#failure === undefined && (this.#offset === 0 || this.#pieces[0]?.start === 0);
  }

  /** The piece that starts at `offset`, with the caller as its user; undefined when it is not at hand any more. */
  async piece(offset: number, reader: BlobReader): Promise<Piece | undefined> {
    while (this.#offset <= offset) await this.#advance(reader);
    const first = this.#pieces[0];
    const found = first === undefined ? undefined : this.#pieces[Math.floor((offset - first.start) / pieceSize)];
    // At once: by the time the caller goes on, somebody else may have made the pass drop it.
    if (found !== undefined) found.users += 1;
    // The next one is on its way while this one is sent.
    if (found === this.#pieces.at(-1) && this.#offset < this.#size) this.#advance(reader).catch(() => {});
    return found;
  }

  // A read that fails because its reader was closed under it is no failure of the others: they read for themselves.
  async #advance(reader: BlobReader): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const reading = this.#reading ?? this.#begin(reader);
    try {
      await reading.done;
    } catch (error) {
      if (reading.by === reader || this.#failure !== undefined) throw error;
    }
  }

  #begin(by: BlobReader): { readonly by: BlobReader; readonly done: Promise<void> } {
    const done = this.#read(by).finally(() => {
      this.#reading = undefined;
    });
    this.#reading = { by, done };
    return this.#reading;
  }

  async #read(reader: BlobReader): Promise<void> {
    const start = this.#offset;
    const bytes = await readPiece(reader, start, this.#memory.take());
    this.#hasher.update(bytes);
    if (start + bytes.byteLength === this.#size) this.#verify();
    this.#add(bytes, start, this.#hasher.copy());
    this.#offset = start + bytes.byteLength;
  }

  #verify(): void {
    try {
      checkDigest(this.#digest, this.#hasher.digest());
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  // The latest piece is always at hand; those before it as long as there is room.
  #add(bytes: Buffer, start: number, hasher: Hasher): void {
    // Read ahead for somebody who has left; there is nobody to let go of it.
    if (this.followers === 0) return;
    let counted = this.#memory.keep(bytes.byteLength);
    for (let oldest = this.#pieces[0]; !counted && oldest !== undefined; oldest = this.#pieces[0]) {
      this.#pieces.shift();
      this.#memory.drop(oldest);
      counted = this.#memory.keep(bytes.byteLength);
    }
    this.#pieces.push({ bytes, start, hasher, kept: counted ? bytes.byteLength : 0, dropped: false, users: 0 });
  }

  /** Lets go of everything; nobody follows any more. */
  clear(): void {
    for (const piece of this.#pieces) this.#memory.drop(piece);
    this.#pieces = [];
  }
}

async function readPiece(reader: BlobReader, start: number, buffer: Buffer): Promise<Buffer> {
  const wanted = Math.min(pieceSize, reader.size - start);
  const bytes = buffer.subarray(0, wanted);
  const count = await reader.read(bytes, start);
  if (count === wanted) return bytes;
  throw sizeMismatch(reader.digest, reader.size, start + count, false);
}

/** The rest of a blob, verified together with what was hashed before it. */
async function* alone(
  reader: BlobReader,
  offset: number,
  hasher: Hasher,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(pieceSize);
  for (let start = offset; start < reader.size; ) {
    signal?.throwIfAborted();
    const bytes = await readPiece(reader, start, buffer);
    hasher.update(bytes);
    start += bytes.byteLength;
    if (start === reader.size) checkDigest(reader.digest, hasher.digest());
    yield bytes;
  }
}
