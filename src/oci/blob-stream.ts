import type { AbortableOptions, BlobReader, Provider } from '../content/store.ts';
import { checkDigest, sizeMismatch } from '../content/verified.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { algorithmOf, createHasher } from '../spec/digest.ts';

const bufferSize = 1024 * 1024;

/** Options of {@link streamBlob}. */
export interface StreamBlobOptions extends AbortableOptions {
  /** A chunk is good only until the next one is asked for; its memory is used again. */
  readonly transient?: boolean | undefined;
}

/**
 * The verified bytes of a blob. The last chunk is held back until the digest is right.
 * @throws DrayError `not-found`; `data-loss`, reason `size-mismatch` or `digest-mismatch`.
 */
export async function* streamBlob(
  source: Provider,
  target: Descriptor,
  { transient = false, signal }: StreamBlobOptions = {},
): AsyncGenerator<Uint8Array> {
  await using reader = await source.reader(target, { signal });
  if (reader.size !== target.size) throw sizeMismatch(target.digest, target.size, reader.size, false);
  yield* transient ? inTwoBuffers(reader, { signal }) : reader.stream({ signal });
}

/**
 * The verified bytes of an open blob, each chunk good until the next one is asked for: while the caller has one buffer, the
 * other is filled and hashed. New memory for every chunk would cost as much as the hashing does.
 * @throws DrayError `data-loss`, reason `size-mismatch` or `digest-mismatch`.
 */
export async function* inTwoBuffers(reader: BlobReader, { signal }: AbortableOptions = {}): AsyncGenerator<Uint8Array> {
  const hasher = createHasher(algorithmOf(reader.digest));
  const buffers = [0, 1].map(() => Buffer.allocUnsafe(Math.min(bufferSize, reader.size)));
  const fill = async (position: number): Promise<Uint8Array> => {
    const buffer = buffers[(position / bufferSize) % 2] ?? Buffer.alloc(0);
    const chunk = buffer.subarray(0, await reader.read(buffer, position, { signal }));
    hasher.update(chunk);
    return chunk;
  };
  let next = fill(0);
  try {
    if (reader.size === 0) checkDigest(reader.digest, hasher.digest());
    for (let position = 0; position < reader.size; ) {
      const chunk = await next;
      position += chunk.byteLength;
      const isWhole = chunk.byteLength === bufferSize || position === reader.size;
      if (!isWhole) throw sizeMismatch(reader.digest, reader.size, position, false);
      if (position === reader.size) checkDigest(reader.digest, hasher.digest());
      else next = fill(position);
      yield chunk;
    }
  } finally {
    // The caller may have stopped early; the reader must not be closed under a read.
    await next.catch(() => {});
  }
}
