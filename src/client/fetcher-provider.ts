import { type Fetcher, onceMoreIfWrong } from '../content/copy.ts';
import { collectDocument } from '../content/documents.ts';
import type { BlobReader, Provider } from '../content/store.ts';
import type { Descriptor } from '../spec/descriptor.ts';

/**
 * A fetcher as a provider of documents, for looking at an image where it is. Each document is read whole, bounded and
 * verified.
 */
export function providerOf(fetcher: Fetcher): Provider {
  return {
    async reader(target, options = {}): Promise<BlobReader> {
      const wanted = target as Descriptor;
      const bytes = await onceMoreIfWrong(async (distrust) =>
        collectDocument(await fetcher.fetch(wanted, { ...options, distrust }), wanted, options),
      );
      return {
        digest: wanted.digest,
        size: bytes.byteLength,
        async read(buffer, position) {
          const part = bytes.subarray(position, position + buffer.byteLength);
          buffer.set(part);
          return part.byteLength;
        },
        async *stream({ offset = 0, length = bytes.byteLength } = {}) {
          yield bytes.subarray(offset, offset + length);
        },
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}
