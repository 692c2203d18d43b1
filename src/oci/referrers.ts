import type { Fetcher } from '../content/copy.ts';
import { collectDocument } from '../content/documents.ts';
import type { AbortableOptions } from '../content/store.ts';
import { ifFound } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { parseIndex } from '../spec/documents.ts';
import { isIndex, isManifestLike, isSchema1 } from '../spec/media-types.ts';
import { isReferrersTag, referrerOf } from '../spec/referrers.ts';
import type { ArchiveImage } from './archive-image.ts';

/** Lists what refers to an object. */
export type ListReferrers = (subject: Descriptor, options?: AbortableOptions) => AsyncIterable<Descriptor>;

/** Whether this is a list of what refers to an object, which registries and layouts without such lists keep as an index with a name. */
export function isReferrersList({ target, refName }: ArchiveImage): boolean {
  return isIndex(target.mediaType) && isReferrersTag(refName ?? '');
}

/**
 * What refers to an object of a layout or an archive: documents that it lists, by itself or in an index under the tag of the
 * Referrers Tag Schema, and that name the object as their subject. The documents are read when the first list is asked for.
 * Its lists throw DrayError `invalid-argument`, reason `bad-document`, and `data-loss` for documents that are not in order.
 */
export function referrersAmong(images: readonly ArchiveImage[], fetcher: Fetcher): ListReferrers {
  let gathered: Promise<ReadonlyMap<Digest, readonly Descriptor[]>> | undefined;
  return async function* (subject, options = {}) {
    gathered ??= gather(images, fetcher, options);
    yield* (await gathered).get(subject.digest) ?? [];
  };
}

async function gather(
  images: readonly ArchiveImage[],
  fetcher: Fetcher,
  options: AbortableOptions,
): Promise<ReadonlyMap<Digest, readonly Descriptor[]>> {
  const found = new Map<Digest, Descriptor[]>();
  const seen = new Set<Digest>();
  const queue = images.map((image) => ({ target: image.target, isList: isReferrersList(image) }));
  for (const { target, isList } of queue) {
    if (seen.has(target.digest)) continue;
    seen.add(target.digest);
    const bytes = await documentOf(target, fetcher, options);
    if (bytes === undefined) continue;
    if (isList) queue.push(...parseIndex(bytes).manifests.map((child) => ({ target: child, isList: false })));
    const { subject, descriptor } = referrerOf(target, bytes) ?? {};
    if (subject !== undefined && descriptor !== undefined)
      found.set(subject.digest, [...(found.get(subject.digest) ?? []), descriptor]);
  }
  return found;
}

// What is not a document, or is listed without being there, refers to nothing.
async function documentOf(
  target: Descriptor,
  fetcher: Fetcher,
  options: AbortableOptions,
): Promise<Uint8Array | undefined> {
  if (!isManifestLike(target.mediaType) || isSchema1(target.mediaType)) return undefined;
  return await ifFound(fetcher.fetch(target, options).then((stream) => collectDocument(stream, target, options)));
}
