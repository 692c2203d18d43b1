import { unlessAborted } from '../content/abort.ts';
import { collect } from '../content/documents.ts';
import { because } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { algorithmOf, type Digest, digestOf } from '../spec/digest.ts';
import { blobHeaders, matches } from './blobs.ts';
import { announcedLength, receive } from './body.ts';
import { refusal } from './codes.ts';
import { readManifest } from './documents.ts';
import { type Exchange, isHead } from './exchange.ts';
import type { MemoryShare } from './memory.ts';
import { replyEmpty, replyStream, warn } from './reply.ts';
import { type ManifestReference, manifestReference, tagFrom } from './route.ts';
import type { RepositoryRequest } from './state.ts';

/** `GET` and `HEAD` of a manifest by tag or digest (distribution-spec, Pulling manifests). The bytes are those that were put. */
export async function getManifest(request: RepositoryRequest, text: string): Promise<void> {
  const reference = manifestReference(text);
  const found = await find(request, reference);
  if (found === undefined) throw manifestUnknown(text);
  await sendManifest(request, found, 'tag' in reference);
}

async function find(
  { exchange, state: { upstream }, repository }: RepositoryRequest,
  reference: ManifestReference,
): Promise<Descriptor | undefined> {
  if (!upstream?.serves(repository.name)) {
    return await ('tag' in reference ? repository.resolve(reference.tag) : repository.manifest(reference.digest));
  }
  const asked =
    'tag' in reference ? upstream.byTag(repository, reference.tag) : upstream.byDigest(repository, reference.digest);
  const found = await unlessAborted(asked, exchange.signal);
  if (found?.stale) warn(exchange, `${repository.name.domain} does not say: this is what the tag meant the last time`);
  return found?.target;
}

async function sendManifest({ exchange, state }: RepositoryRequest, found: Descriptor, byTag: boolean): Promise<void> {
  const headers = {
    ...blobHeaders(found.digest),
    'Content-Type': found.mediaType,
    // What a tag means may change at any time.
    ...(byTag ? { 'Cache-Control': 'no-cache' } : {}),
  };
  if (matches(exchange, found.digest)) {
    replyEmpty(exchange, 304, headers);
    return;
  }
  const described = { ...headers, 'Content-Length': found.size };
  if (isHead(exchange)) {
    replyEmpty(exchange, 200, described);
    return;
  }
  const { signal } = exchange;
  await using reader = await state.services.content.reader(found, { signal });
  await replyStream(exchange, 200, described, () => reader.stream({ signal }));
}

/** The most tags that one request may set. */
const mostTags = 100;

/** `PUT` of a manifest by tag, by digest, or by digest with tags (distribution-spec, Pushing manifests). */
export async function putManifest({ exchange, state, repository }: RepositoryRequest, text: string): Promise<void> {
  const reference = manifestReference(text);
  const tags = 'tag' in reference ? [reference.tag] : exchange.query.getAll('tag').map(tagFrom);
  if (tags.length > mostTags) throw refusal('TAG_INVALID', `more than ${mostTags} tags at once`, { status: 414 });
  using share = state.memory.share();
  const bytes = await receiveDocument(exchange, share, state.limits.manifest);
  const digest = digestOf(bytes, 'digest' in reference ? algorithmOf(reference.digest) : undefined);
  if ('digest' in reference && digest !== reference.digest) {
    throw refusal('DIGEST_INVALID', `the manifest has the digest ${digest}, not ${reference.digest}`);
  }
  const manifest = readManifest(bytes, exchange.request.headers['content-type']);
  const target = { mediaType: manifest.mediaType, digest, size: bytes.byteLength };
  await state.turns.take(repository.name.full, () => state.publisher.put(repository, target, bytes, manifest, tags));
  const { response } = exchange;
  if (manifest.subject !== undefined) response.setHeader('OCI-Subject', manifest.subject);
  if ('digest' in reference && tags.length > 0) response.setHeader('OCI-Tag', tags);
  const location = `/v2/${repository.name.short}/manifests/${digest}`;
  replyEmpty(exchange, 201, { Location: location, 'Docker-Content-Digest': digest });
}

/** `DELETE` of a tag, or of a manifest with all its tags (distribution-spec, Content management). */
export async function deleteManifest({ exchange, state, repository }: RepositoryRequest, text: string): Promise<void> {
  const reference = manifestReference(text);
  const deleted = await state.turns.take(repository.name.full, () =>
    'tag' in reference
      ? state.publisher.deleteTag(repository, reference.tag)
      : state.publisher.deleteManifest(repository, reference.digest),
  );
  if (!deleted) throw manifestUnknown(text);
  state.collection.wanted();
  replyEmpty(exchange, 202);
}

async function receiveDocument(exchange: Exchange, share: MemoryShare, limit: number): Promise<Uint8Array> {
  const tooLarge = refusal('MANIFEST_INVALID', `a manifest may have ${limit} bytes here`, { status: 413 });
  if ((announcedLength(exchange) ?? 0) > limit) throw tooLarge;
  try {
    return await collect(share.count(receive(exchange)), limit);
  } catch (error) {
    throw because(error, 'bad-document') ? tooLarge : error;
  }
}

function manifestUnknown(reference: string | Digest): Error {
  return refusal('MANIFEST_UNKNOWN', `manifest ${reference.slice(0, 200)} is not in this repository`);
}
