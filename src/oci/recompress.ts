import { randomUUID } from 'node:crypto';
import { packed, packingOfBlob } from '../content/compression.ts';
import { commitOrFind, openWriter } from '../content/copy.ts';
import type { AbortableOptions, ContentStore } from '../content/store.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { mediaTypes } from '../spec/media-types.ts';
import type { ArchiveFile } from './catalog.ts';

/** How layers are compressed. */
export type RecompressOptions = 'gzip' | 'zstd';

/** On a compressed layer: the digest of what it unpacks to (containerd's convention). */
export const uncompressedLabel = 'containerd.io/uncompressed';

/**
 * Puts a compressed blob in the place of each layer that is not: one that the store has for it already, or a new one. The
 * uncompressed blob stays, and nothing refers to it.
 */
export function recompressor(
  content: ContentStore,
  packing: RecompressOptions,
  options: AbortableOptions & { readonly lease?: string | undefined },
): (file: ArchiveFile, layer: Descriptor) => Promise<Descriptor> {
  const mediaType = packing === 'gzip' ? mediaTypes.dockerLayerGzip : mediaTypes.dockerLayerZstd;
  return async (file, layer) => {
    if (layer.mediaType !== mediaTypes.dockerLayer) return layer;
    const found = (await findPacked(content, layer.digest, packing)) ?? (await pack(content, file, packing, options));
    return { mediaType, ...found };
  };
}

interface PackedBlob {
  readonly digest: Digest;
  readonly size: number;
}

async function findPacked(
  content: ContentStore,
  diffId: Digest,
  packing: RecompressOptions,
): Promise<PackedBlob | undefined> {
  for await (const { digest, size } of content.walk(`labels."${uncompressedLabel}"==${diffId}`)) {
    if ((await packingOfBlob(content, { digest, size })) === packing) return { digest, size };
  }
  return undefined;
}

async function pack(
  content: ContentStore,
  file: ArchiveFile,
  packing: RecompressOptions,
  options: AbortableOptions & { readonly lease?: string | undefined },
): Promise<PackedBlob> {
  const labels = { [uncompressedLabel]: await file.digest() };
  await using writer = await openWriter(content, { ref: `import-packed-${randomUUID()}`, ...options });
  for await (const chunk of packed(file.open(), packing, options)) await writer.write(chunk, options);
  const { digest, size } = await commitOrFind(content, writer, { labels, signal: options.signal });
  return { digest, size };
}
