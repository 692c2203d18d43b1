import { type Descriptor, describe } from './descriptor.ts';
import { algorithms, type Digest, encodedOf } from './digest.ts';
import { parseArtifact, parseIndex, parseManifest } from './documents.ts';
import { isArtifact, isIndex, isManifest } from './media-types.ts';

/** Documents that refer to others as their subjects (image-spec manifest.md; distribution-spec, Listing referrers). */

/** A document that names a subject, as a list of that subject's referrers describes it. */
export interface Referrer {
  readonly subject: Descriptor;
  readonly descriptor: Descriptor;
}

/**
 * What a document refers to as its subject; undefined when it has none, or is no document.
 * @throws DrayError `invalid-argument`, reason `bad-document`, for bytes that are not of the type.
 */
export function referrerOf(target: Descriptor, bytes: Uint8Array): Referrer | undefined {
  const document = parseSome(target.mediaType, bytes);
  if (document?.subject === undefined) return undefined;
  const { artifactType, annotations, subject } = document;
  const config = 'config' in document ? (document.config as Descriptor | undefined) : undefined;
  const type = artifactType ?? config?.mediaType;
  return {
    subject,
    descriptor: {
      ...describe(target.mediaType, bytes),
      digest: target.digest,
      ...(type === undefined ? {} : { artifactType: type }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
}

/** The tag that stands for the list of an object's referrers where nothing else lists them (Referrers Tag Schema). */
export function referrersTag(digest: Digest): string {
  const algorithm = digest.slice(0, digest.indexOf(':')).slice(0, 32);
  return `${algorithm}-${encodedOf(digest).slice(0, 64)}`.replace(/[^A-Za-z0-9._-]/g, '-');
}

/** Whether a tag may stand for such a list, of an object that {@link referrersTag} names. */
export function isReferrersTag(tag: string): boolean {
  const dash = tag.indexOf('-');
  return algorithms.some((algorithm) => algorithm === tag.slice(0, dash)) && /^[0-9a-f]{64}$/.test(tag.slice(dash + 1));
}

interface WithSubject {
  readonly subject?: Descriptor | undefined;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

function parseSome(mediaType: string, bytes: Uint8Array): WithSubject | undefined {
  if (isManifest(mediaType)) return parseManifest(bytes);
  if (isIndex(mediaType)) return parseIndex(bytes);
  return isArtifact(mediaType) ? parseArtifact(bytes) : undefined;
}
