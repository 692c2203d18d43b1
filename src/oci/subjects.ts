import { readDocument } from '../content/documents.ts';
import type { AbortableOptions, ContentStore } from '../content/store.ts';
import { ifFound } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { parseIndex } from '../spec/documents.ts';
import { isManifestLike, isSchema1 } from '../spec/media-types.ts';
import { referrerOf } from '../spec/referrers.ts';
import type { ArchiveImage } from './archive-image.ts';
import { isReferrersList } from './referrers.ts';

/** How documents are read. */
export interface SubjectOptions extends AbortableOptions {
  /** The most bytes a document may have. */
  readonly documentLimit?: number | undefined;
}

/**
 * What an object of a store refers to, if that is in the store as well (image-spec image-layout.md, manifest.md): what is listed
 * without a name and has one is listed for its sake.
 * @throws DrayError `invalid-argument`, reason `bad-document`, and `data-loss` for a document that is not in order.
 */
export async function subjectOf(
  content: ContentStore,
  target: Descriptor,
  { documentLimit: limit, signal }: SubjectOptions = {},
): Promise<Digest | undefined> {
  if (!isManifestLike(target.mediaType) || isSchema1(target.mediaType)) return undefined;
  if ((await ifFound(content.info(target.digest))) === undefined) return undefined;
  const digest = referrerOf(target, await readDocument(content, target, { limit, signal }))?.subject.digest;
  return digest !== undefined && (await ifFound(content.info(digest))) !== undefined ? digest : undefined;
}

/**
 * What is in lists of referrers that an archive has under their names, as far as those are in the store; each object once.
 * @throws DrayError as {@link subjectOf} does.
 */
export async function listedReferrers(
  content: ContentStore,
  images: readonly ArchiveImage[],
  { documentLimit: limit, signal }: SubjectOptions = {},
): Promise<Iterable<Descriptor>> {
  const lists = new Map(images.filter(isReferrersList).map(({ target }) => [target.digest, target]));
  const listed = new Map<Digest, Descriptor>();
  for (const list of lists.values()) {
    const bytes = await ifFound(readDocument(content, list, { limit, signal }));
    if (bytes !== undefined) for (const child of parseIndex(bytes).manifests) listed.set(child.digest, child);
  }
  return listed.values();
}
