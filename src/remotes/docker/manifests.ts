import type { Descriptor } from '../../spec/descriptor.ts';
import { algorithmOf, canonicalAlgorithm, type Digest } from '../../spec/digest.ts';
import { exchange } from './exchange.ts';
import type { ResponseHeaders, WireResponse } from './transport.ts';
import type { UploadTarget } from './upload-session.ts';

/** Registries have to take at least this many tags at once where they take several. */
const tagsAtOnce = 10;

/**
 * Puts a manifest there, under its digest or its tags. Several tags are one request where the registry knows that
 * (distribution-spec, Pushing manifests with tags), else one each, and the bytes are the same in every one.
 */
export async function putManifest(
  target: UploadTarget,
  descriptor: Descriptor,
  bytes: Uint8Array,
  tags: readonly string[],
): Promise<void> {
  const { learned } = target.host;
  const isCanonical = algorithmOf(descriptor.digest) === canonicalAlgorithm;
  if (tags.length === 0) return void (await put(target, descriptor, bytes, descriptor.digest));
  let left = tags;
  // A tag alone lets the registry choose the digest, and it chooses sha256.
  if (!isCanonical || (tags.length > 1 && learned.multiTag !== false))
    left = await putTags(target, descriptor, bytes, tags);
  for (const tag of left) await put(target, descriptor, bytes, tag);
}

async function putTags(
  target: UploadTarget,
  descriptor: Descriptor,
  bytes: Uint8Array,
  tags: readonly string[],
): Promise<readonly string[]> {
  const left: string[] = [];
  for (let at = 0; at < tags.length; at += tagsAtOnce) {
    const some = tags.slice(at, at + tagsAtOnce);
    const query = some.map((tag) => `tag=${encodeURIComponent(tag)}`).join('&');
    const response = await put(target, descriptor, bytes, `${descriptor.digest}?${query}`);
    const accepted = new Set(tagsIn(response.headers));
    target.host.learned.multiTag = accepted.size > 0;
    left.push(...some.filter((tag) => !accepted.has(tag)));
    if (accepted.size === 0) return [...left, ...tags.slice(at + tagsAtOnce)];
  }
  return left;
}

function tagsIn(headers: ResponseHeaders): readonly string[] {
  return headers.all('oci-tag').flatMap((line) => line.split(',').map((tag) => tag.trim()));
}

async function put(
  { host, path, scopes, operation, signal }: UploadTarget,
  descriptor: Descriptor,
  bytes: Uint8Array,
  version: string | Digest,
): Promise<WireResponse> {
  const response = await exchange(host, {
    method: 'PUT',
    url: host.url(`${path}/manifests/${version}`),
    headers: { 'content-type': descriptor.mediaType },
    body: bytes,
    scopes,
    repository: path,
    expect: [200, 201, 202, 204],
    commits: true,
    operation,
    signal,
  });
  response.body.discard();
  return response;
}
