import { DrayError } from '../errors.ts';
import { type Descriptor, inlineData } from '../spec/descriptor.ts';
import { algorithmOf, type Digest, digestOf } from '../spec/digest.ts';
import { documentLimit } from '../spec/documents.ts';
import { isSchema1 } from '../spec/media-types.ts';
import { splitSchema1 } from '../spec/schema1.ts';
import { checkChunk } from './chunk.ts';
import { Gathered } from './gathered.ts';
import type { AbortableOptions, Provider, Target } from './store.ts';
import { checkDigest, verified } from './verified.ts';

/** Options of {@link readDocument}. */
export interface DocumentOptions extends AbortableOptions {
  /** The most bytes that are read, {@link documentLimit} if not said. */
  readonly limit?: number | undefined;
}

/**
 * A whole small blob in memory: the one way to get a document. The size is checked before a byte is read, size and digest
 * before a byte is given out; bytes inlined in the descriptor are used when they fit it.
 * @throws DrayError `not-found`; `invalid-argument`, reason `bad-document`, over the limit; `data-loss`.
 */
export async function readDocument(
  provider: Provider,
  target: Target & Partial<Descriptor>,
  options: DocumentOptions = {},
): Promise<Uint8Array> {
  const inline = inlineData({ mediaType: '', size: -1, ...target } as Descriptor);
  if (inline !== undefined) return inline;
  checkDocumentSize(target.size ?? 0, options.limit);
  await using reader = await provider.reader(target, options);
  checkDocumentSize(reader.size, options.limit);
  return await collect(reader.stream({ signal: options.signal }), options.limit);
}

/** As {@link readDocument}, from a stream that nobody has verified yet. */
export async function collectDocument(
  stream: AsyncIterable<Uint8Array>,
  target: Target & Partial<Descriptor>,
  options: DocumentOptions = {},
): Promise<Uint8Array> {
  checkDocumentSize(target.size ?? 0, options.limit);
  if (!isSchema1(target.mediaType ?? '')) return await collect(verified(stream, target), options.limit);
  const bytes = await collect(stream, options.limit);
  checkSchema1(bytes, target.digest);
  return bytes;
}

// A registry names one by the digest of its payload, and may sign it anew each time, so the size says nothing; where blobs
// are named by all of their bytes, as in a store, so is this one.
function checkSchema1(bytes: Uint8Array, digest: Digest): void {
  const algorithm = algorithmOf(digest);
  if (digestOf(bytes, algorithm) !== digest) checkDigest(digest, digestOf(splitSchema1(bytes).payload, algorithm));
}

/**
 * The bytes of a stream, never more than `limit`.
 * @throws DrayError `invalid-argument`, reason `bad-document`, over the limit.
 */
export async function collect(stream: AsyncIterable<Uint8Array>, limit: number = documentLimit): Promise<Uint8Array> {
  const gathered = new Gathered();
  for await (const chunk of stream) {
    checkChunk(chunk);
    checkDocumentSize(gathered.size + chunk.byteLength, limit);
    gathered.add(chunk);
  }
  return gathered.take();
}

/** @throws DrayError `invalid-argument`, reason `bad-document`, over the limit. */
export function checkDocumentSize(size: number, limit: number = documentLimit): void {
  if (size <= limit) return;
  throw new DrayError('invalid-argument', `a document of ${size} bytes is over the limit of ${limit}`, {
    reason: 'bad-document',
    hint: 'documents are small; this is either a layer under a wrong media type or an attack',
  });
}
