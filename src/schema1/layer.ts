import { PassThrough } from 'node:stream';
import { packingBytes, packingOf, unpacked } from '../content/compression.ts';
import { roomIn } from '../content/room.ts';
import type { AbortableOptions } from '../content/store.ts';
import { StreamSource } from '../oci/byte-source.ts';
import { createHasher } from '../spec/digest.ts';
import type { LayerContent } from './rules.ts';

/** Options of {@link readLayer}. */
export interface ReadLayerOptions extends AbortableOptions {
  /** The most bytes that may come out; without a bound, but for that on the ratio, if not said. */
  readonly limit?: number | undefined;
}

/**
 * Reads a layer to its end: gzip, zstd or plain, told by its first bytes and not by what anybody says of it.
 * @throws DrayError as `unpacked` does: for damaged data, for more than the limit or out of all proportion, for other packings.
 */
export async function readLayer(
  stream: AsyncIterable<Uint8Array>,
  options: ReadLayerOptions = {},
): Promise<LayerContent> {
  const chunks = stream[Symbol.asyncIterator]();
  const source = new StreamSource({ [Symbol.asyncIterator]: () => chunks });
  const hasher = createHasher();
  let isBlank = true;
  try {
    const packing = packingOf(await source.peek(packingBytes));
    for await (const chunk of unpacked(source.rest(), packing, options)) {
      hasher.update(chunk);
      isBlank &&= !chunk.some((byte) => byte !== 0);
    }
    return { diffId: hasher.digest(), packing: packing as LayerContent['packing'], isBlank };
  } finally {
    await chunks.return?.();
  }
}

/** A stream that is read by somebody else, and what {@link readLayer} finds in it on the way. */
export interface WatchedLayer {
  readonly stream: AsyncGenerator<Uint8Array>;
  /** Settles when the stream has ended. Need not be waited for. */
  readonly content: Promise<LayerContent>;
}

/** Bytes that one side may be ahead of the other. */
const slack = 1024 * 1024;

/** Watches a layer on its way to somebody else, who gets it as it is even where it turns out to be damaged. */
export function watchLayer(stream: AsyncIterable<Uint8Array>, options: ReadLayerOptions = {}): WatchedLayer {
  const copy = new PassThrough({ highWaterMark: slack });
  const content = readLayer(copy, options);
  // The copy is destroyed when it was read, to its end or not.
  content.catch(() => {});
  return { stream: copied(stream, copy), content };
}

async function* copied(stream: AsyncIterable<Uint8Array>, copy: PassThrough): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) {
      if (!copy.destroyed && !copy.write(chunk)) await roomIn(copy);
      yield chunk;
    }
    copy.end();
  } catch (error) {
    copy.destroy(error as Error);
    throw error;
  } finally {
    // Whoever read may have stopped early.
    if (!copy.writableEnded) copy.destroy(new Error('the layer was not read to its end'));
  }
}
