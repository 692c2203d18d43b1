import { DrayError } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { detectMediaType, parseArtifact, parseIndex, parseManifest } from '../spec/documents.ts';
import { isArtifact, isIndex, isManifest, mediaTypes } from '../spec/media-types.ts';
import { isRefusal, refusal } from './codes.ts';

/** A manifest of any kind, as far as the registry looks into it. */
export interface ManifestDocument {
  readonly mediaType: string;
  readonly children: readonly Descriptor[];
  readonly subject: Digest | undefined;
  /** What a listing of referrers says of it: its own type, or that of its config (distribution-spec, Listing referrers). */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/**
 * Reads a document that was put as a manifest: its type is what the header says, and what it says of itself must be the same.
 * @throws DrayError `MANIFEST_INVALID`.
 */
export function readManifest(bytes: Uint8Array, contentType: string | undefined): ManifestDocument {
  try {
    const named = contentType?.split(';')[0]?.trim().toLowerCase() || detectMediaType(bytes);
    const { stated, ...document } = parseAs(named, bytes);
    if (stated === undefined || stated === named) return document;
    throw invalid(`its Content-Type is ${named}, but its own media type is ${stated.slice(0, 200)}`);
  } catch (error) {
    if (!(error instanceof DrayError) || isRefusal(error)) throw error;
    throw refusal('MANIFEST_INVALID', error.message, { hint: error.context.hint, cause: error });
  }
}

/** Reads a manifest as one of a media type; `stated` is the type that it gives itself. */
export function parseAs(mediaType: string, bytes: Uint8Array): ManifestDocument & { stated: string | undefined } {
  const { children, fallbackType, document } = open(mediaType, bytes);
  return {
    mediaType,
    children,
    subject: document.subject?.digest,
    artifactType: document.artifactType || fallbackType,
    annotations: document.annotations,
    stated: document.mediaType || undefined,
  };
}

interface Opened {
  readonly document: Pick<ReturnType<typeof parseIndex>, 'mediaType' | 'artifactType' | 'subject' | 'annotations'>;
  readonly children: readonly Descriptor[];
  readonly fallbackType?: string | undefined;
}

function open(mediaType: string, bytes: Uint8Array): Opened {
  if (isManifest(mediaType)) {
    const document = parseManifest(bytes);
    return { document, children: [document.config, ...document.layers], fallbackType: document.config.mediaType };
  }
  if (isIndex(mediaType)) {
    const document = parseIndex(bytes);
    return { document, children: document.manifests };
  }
  if (isArtifact(mediaType)) {
    const document = parseArtifact(bytes);
    return { document, children: document.blobs };
  }
  throw invalid(`${mediaType.slice(0, 200)} is no type of a manifest`);
}

function invalid(problem: string): DrayError {
  return refusal('MANIFEST_INVALID', `invalid manifest: ${problem}`, {
    hint: `known types are ${mediaTypes.ociManifest}, ${mediaTypes.ociIndex} and their docker twins; schema 1 has to be converted`,
  });
}
