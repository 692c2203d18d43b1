import { DrayError } from '../errors.ts';
import { readAhead } from './byte-source.ts';
import { blockSize, encodeHeader, paddingOf } from './tar-header.ts';

/** A file to be written into a tar file, or a directory, whose name ends with a slash. */
export interface TarItem {
  readonly name: string;
  readonly mode: number;
  /** Bytes; exactly as many have to come. */
  readonly size: number;
  /** The data, which goes to `position` of the tar file; nothing for a directory. */
  open?(position: number): AsyncIterable<Uint8Array>;
}

/**
 * A tar file with these entries in their order, owned by nobody and of no time, so that the same entries give the same
 * bytes. With `transient`, items may give chunks that are good only until the next one is asked for, and so are those that
 * come out.
 * @throws DrayError `data-loss`, reason `size-mismatch`, when more or fewer bytes come than were announced.
 */
export async function* writeTar(
  items: Iterable<TarItem>,
  { transient = false }: { readonly transient?: boolean | undefined } = {},
): AsyncGenerator<Uint8Array> {
  yield* batched(pieces(items, transient ? (stream) => stream : readAhead));
}

type Pass = (stream: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

async function* pieces(items: Iterable<TarItem>, pass: Pass): AsyncGenerator<Uint8Array> {
  let position = 0;
  for (const { name, mode, size, open } of items) {
    const header = encodeHeader({ name, mode, size, typeflag: open === undefined ? '5' : '0' });
    yield header;
    position += header.byteLength;
    if (open === undefined) continue;
    yield* exactly(pass(open(position)), name, size);
    yield Buffer.alloc(paddingOf(size));
    position += size + paddingOf(size);
  }
  yield Buffer.alloc(2 * blockSize);
}

// One byte more or less would make nonsense of everything behind it.
async function* exactly(stream: AsyncIterable<Uint8Array>, name: string, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const chunk of stream) {
    left -= chunk.byteLength;
    if (left < 0) break;
    yield chunk;
  }
  if (left === 0) return;
  throw new DrayError('data-loss', `${name} does not have the ${size} bytes that its descriptor states`, {
    reason: 'size-mismatch',
    side: 'source',
    hint: 'the document that refers to it is wrong: get the image again',
  });
}

const batchSize = 256 * 1024;

// Headers and small files are gathered, so that the reader of the stream has one write for many of them.
async function* batched(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let batch = Buffer.allocUnsafe(batchSize);
  let used = 0;
  for await (const piece of stream) {
    if (used + piece.byteLength > batchSize) {
      yield batch.subarray(0, used);
      batch = Buffer.allocUnsafe(batchSize);
      used = 0;
    }
    if (piece.byteLength > batchSize) yield piece;
    else {
      batch.set(piece, used);
      used += piece.byteLength;
    }
  }
  if (used > 0) yield batch.subarray(0, used);
}
