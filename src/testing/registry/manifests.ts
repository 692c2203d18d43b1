import { isDigest } from '../../spec/digest.ts';
import { isIndex, mediaTypes } from '../../spec/media-types.ts';
import { digestHeader } from './blobs.ts';
import { documentOf, type RepositoryContents, type StoredManifest } from './contents.ts';
import type { Quirks } from './quirks.ts';
import { empty, failure, type Reply, type Wire } from './wire.ts';

/** GET and HEAD of a manifest. */
export function serveManifest(
  wire: Wire,
  repository: RepositoryContents | undefined,
  version: string,
  quirks: Quirks,
): Reply {
  const found = repository?.find(version);
  if (wire.method === 'HEAD' && quirks.headManifest !== undefined) return empty(quirks.headManifest);
  if (found === undefined) {
    if (quirks.missingIsForbidden === true) return failure(403, 'DENIED', 'requested access to the resource is denied');
    return repository === undefined
      ? failure(404, 'NAME_UNKNOWN')
      : failure(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
  }
  const accept = String(wire.headers.accept ?? '');
  if (quirks.strictAccept === true && !accept.includes(found.mediaType)) {
    return failure(404, 'MANIFEST_UNKNOWN', `${found.mediaType} found, but accept header does not support it`);
  }
  const served = quirks.picksPlatform === true && isIndex(found.mediaType) && !accept.includes(found.mediaType);
  const child = served ? documentOf(found.bytes).manifests?.[0]?.digest : undefined;
  return manifestReply(wire, repository?.find(child ?? found.digest) ?? found, quirks);
}

function manifestReply(wire: Wire, found: StoredManifest & { readonly digest: string }, quirks: Quirks): Reply {
  const { manifestType, headWithoutLength = false } = quirks;
  return {
    status: 200,
    headers: { 'content-type': manifestType ?? found.mediaType, ...digestHeader(wire, found.digest, quirks) },
    body: [found.bytes],
    length: wire.method === 'HEAD' && headWithoutLength ? undefined : found.bytes.byteLength,
  };
}

/** PUT of a manifest, under a digest or a tag. */
export async function putManifest(
  wire: Wire,
  repository: RepositoryContents,
  name: string,
  version: string,
  quirks: Quirks,
): Promise<Reply> {
  const bytes = await wire.bytes();
  const mediaType = String(wire.headers['content-type'] ?? '');
  const document = documentOf(bytes);
  const missing = quirks.takesIncomplete === true ? undefined : missingChild(repository, document);
  if (missing !== undefined) return failure(400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', missing);
  const { subject } = document;
  if (quirks.checksSubject === true && subject !== undefined && repository.find(subject.digest) === undefined) {
    return failure(404, 'MANIFEST_BLOB_UNKNOWN', 'subject unknown', subject.digest);
  }
  if (isDigest(version) && version.startsWith('sha256:') && repository.addManifest(mediaType, bytes) !== version) {
    return failure(400, 'DIGEST_INVALID');
  }
  const digest = isDigest(version) ? version : repository.addManifest(mediaType, bytes, version);
  if (isDigest(version)) repository.manifests.set(version, { mediaType, bytes });
  const tags = quirks.multiTag === true ? wire.query.getAll('tag') : [];
  for (const tag of tags) repository.tags.set(tag, digest);
  return empty(201, {
    location: `/v2/${name}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(tags.length === 0 ? {} : { 'oci-tag': tags }),
    ...(subject === undefined || quirks.referrers !== undefined ? {} : { 'oci-subject': subject.digest }),
  });
}

function missingChild(repository: RepositoryContents, document: ReturnType<typeof documentOf>): string | undefined {
  const blobs = [...(document.config === undefined ? [] : [document.config]), ...(document.layers ?? [])];
  const foreign = (descriptor: object): boolean => /nondistributable|foreign/.test(JSON.stringify(descriptor));
  const blob = blobs.find((one) => !foreign(one) && !repository.blobs.has(one.digest));
  return (blob ?? (document.manifests ?? []).find(({ digest }) => !repository.manifests.has(digest)))?.digest;
}

/** DELETE of a manifest or a tag. */
export function deleteManifest(
  repository: RepositoryContents | undefined,
  version: string,
  { deletes }: Quirks,
): Reply {
  if (deletes === 'none') return failure(405, 'UNSUPPORTED', 'The operation is unsupported.');
  if (!isDigest(version) && deletes === 'manifests-only') return failure(400, 'DIGEST_INVALID');
  if (repository?.find(version) === undefined) return failure(404, 'MANIFEST_UNKNOWN');
  if (!isDigest(version)) repository.tags.delete(version);
  else {
    repository.manifests.delete(version);
    for (const [tag, digest] of repository.tags) if (digest === version) repository.tags.delete(tag);
  }
  return empty(202);
}

/** The referrers API. */
export function serveReferrers(
  wire: Wire,
  repository: RepositoryContents | undefined,
  digest: string,
  quirks: Quirks,
): { readonly manifests: readonly unknown[]; readonly filtered: boolean } | Reply {
  const { referrers } = quirks;
  if (typeof referrers === 'number') return failure(referrers, 'UNSUPPORTED', '404 page not found');
  if (typeof referrers === 'object') return empty(303, { location: referrers.redirect });
  if (referrers === 'page') return textReply('text/html; charset=utf-8', '<!doctype html><title>Sign in</title>');
  if (referrers === 'other-type') return textReply('application/json', '{"referrers":[]}');
  const all = repository?.referrers(digest) ?? [];
  const type = quirks.ignoresArtifactType === true ? null : wire.query.get('artifactType');
  const manifests = all.filter(({ artifactType }) => type === null || artifactType === type);
  return { manifests, filtered: type !== null };
}

function textReply(type: string, text: string): Reply {
  const body = Buffer.from(text);
  return { status: 200, headers: { 'content-type': type }, body: [body], length: body.byteLength };
}

/** An index of these descriptors. */
export function indexOf(manifests: readonly unknown[]): Record<string, unknown> {
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
}
