import { readDocument } from '../content/documents.ts';
import type { AbortableOptions, ContentStore } from '../content/store.ts';
import { ifFound } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';
import { isManifestLike, isSchema1 } from '../spec/media-types.ts';
import { referrerOf } from '../spec/referrers.ts';
import type { ArchiveImage } from './archive-image.ts';

/** How {@link withSubject} reads documents. */
export interface SubjectOptions extends AbortableOptions {
  /** The most bytes a document may have. */
  readonly documentLimit?: number | undefined;
}

/**
 * An image that is listed without a name because it refers to another one (image-spec image-layout.md, manifest.md): what its
 * document names as its subject, if that is in the store, becomes its subject. Every other image as it is.
 * @throws DrayError `invalid-argument`, reason `bad-document`, and `data-loss` for a document that is not in order.
 */
export async function withSubject(
  content: ContentStore,
  image: ArchiveImage,
  options: SubjectOptions = {},
): Promise<ArchiveImage> {
  const isNamed = (image.imageName ?? image.refName ?? image.subject) !== undefined;
  const subject = isNamed ? undefined : await subjectOf(content, image, options);
  return subject === undefined ? image : { ...image, subject };
}

async function subjectOf(
  content: ContentStore,
  { target }: ArchiveImage,
  { documentLimit: limit, signal }: SubjectOptions,
): Promise<Digest | undefined> {
  if (!isManifestLike(target.mediaType) || isSchema1(target.mediaType)) return undefined;
  if ((await ifFound(content.info(target.digest))) === undefined) return undefined;
  const digest = referrerOf(target, await readDocument(content, target, { limit, signal }))?.subject.digest;
  return digest !== undefined && (await ifFound(content.info(digest))) !== undefined ? digest : undefined;
}
