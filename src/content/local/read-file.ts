import type { FileHandle } from 'node:fs/promises';
import type { AbortableOptions } from '../store.ts';

/** How much is read at once, in bytes. */
const pieceSize = 1024 * 1024;

/** Options of {@link readFileRange}. */
export interface FileRangeOptions extends AbortableOptions {
  /** Where to begin; the front of the file if not said. */
  readonly offset?: number | undefined;
  /** How many bytes; all that are left if not said. */
  readonly length?: number | undefined;
  /** A piece is good only until the next one is asked for; its memory is used again. */
  readonly transient?: boolean | undefined;
  /** Where the range begins in the file that it is written to: pieces end where a MiB of that ends. */
  readonly position?: number | undefined;
  /** Gets each piece before the reader does, while that has the one before. */
  readonly ahead?: ((piece: Uint8Array) => Promise<void>) | undefined;
}

/** The bytes of a range of an open file, fewer when the file ends before; the next piece is read ahead. The file stays open. */
export async function* readFileRange(
  handle: FileHandle,
  { offset = 0, length = Number.POSITIVE_INFINITY, position: target = 0, ...options }: FileRangeOptions = {},
): AsyncGenerator<Uint8Array> {
  const { transient = false, ahead, signal } = options;
  const end = offset + length;
  // One is with the reader while the other is filled; shared, so that another thread can hash what is in it.
  const shared = (): Buffer => Buffer.from(new SharedArrayBuffer(Math.min(pieceSize, length)));
  const buffers = transient ? [shared(), shared()] : [];
  const read = async (position: number): Promise<Uint8Array> => {
    const size = Math.min(pieceSize - ((position - offset + target) % pieceSize), end - position);
    if (size === 0) return new Uint8Array(0);
    const buffer = buffers.shift() ?? Buffer.allocUnsafe(size);
    if (transient) buffers.push(buffer);
    const { bytesRead } = await handle.read(buffer, 0, size, position);
    const piece = buffer.subarray(0, bytesRead);
    if (bytesRead > 0) await ahead?.(piece);
    return piece;
  };
  let next = read(offset);
  try {
    for (let position = offset; ; ) {
      signal?.throwIfAborted();
      const piece = await next;
      if (piece.byteLength === 0) return;
      position += piece.byteLength;
      next = read(position);
      // Its failure is told when the reader comes back for it.
      next.catch(() => {});
      yield piece;
    }
  } finally {
    // The reader may have stopped early; neither file nor memory is let go under a read.
    await next.catch(() => {});
  }
}
