import { DrayError } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { algorithmOf, canonicalAlgorithm, type Digest } from '../../spec/digest.ts';
import { exchange } from './exchange.ts';
import { digestIn } from './resolver.ts';
import type { ResponseHeaders } from './transport.ts';
import { type UploadTarget, writeRequest } from './upload-session.ts';

/** Registries have to take at least this many tags at once where they take several. */
const tagsAtOnce = 10;

/**
 * Puts a manifest there, under its digest or its tags. Several tags are one request where the registry knows that
 * (distribution-spec, Pushing manifests with tags), else one each. Returns whether the registry has taken note of the
 * manifest's subject.
 */
export async function putManifest(
  target: UploadTarget,
  descriptor: Descriptor,
  bytes: Uint8Array,
  tags: readonly string[],
): Promise<boolean> {
  const put = (version: string): Promise<ResponseHeaders> => putOnce(target, descriptor, bytes, version);
  if (tags.length === 0) return knowsSubject(await put(descriptor.digest));
  const { learned } = target.host;
  const isCanonical = algorithmOf(descriptor.digest) === canonicalAlgorithm;
  const answers: ResponseHeaders[] = [];
  let left = tags;
  // A tag alone lets the registry choose the digest, and it chooses sha256.
  if (!isCanonical || (tags.length > 1 && learned.multiTag !== false)) {
    left = await putTags(target, descriptor.digest, tags, async (version) => {
      const headers = await put(version);
      answers.push(headers);
      return headers;
    });
  }
  for (const tag of left) answers.push(await put(tag));
  return answers.some(knowsSubject);
}

/** Answers to a query that is too long, or that nobody expected. */
const tooMuch = [400, 414, 431];

/** Puts a manifest under many tags at once; returns those that the registry has left out. */
async function putTags(
  { host: { learned } }: UploadTarget,
  digest: Digest,
  tags: readonly string[],
  put: (version: string) => Promise<ResponseHeaders>,
): Promise<readonly string[]> {
  const left: string[] = [];
  for (let at = 0; at < tags.length; at += tagsAtOnce) {
    const some = tags.slice(at, at + tagsAtOnce);
    const version = `${digest}?${some.map((tag) => `tag=${encodeURIComponent(tag)}`).join('&')}`;
    const headers = await put(version).catch((error: unknown) => {
      if (error instanceof DrayError && tooMuch.includes(error.context.status ?? 0)) return undefined;
      throw error;
    });
    const lines = headers?.all('oci-tag') ?? [];
    const accepted = new Set(lines.flatMap((line) => line.split(',').map((tag) => tag.trim())));
    learned.multiTag = accepted.size > 0;
    left.push(...some.filter((tag) => !accepted.has(tag)));
    if (accepted.size === 0) return [...left, ...tags.slice(at + tagsAtOnce)];
  }
  return left;
}

function knowsSubject(headers: ResponseHeaders): boolean {
  return headers.get('oci-subject') !== undefined;
}

async function putOnce(
  target: UploadTarget,
  descriptor: Descriptor,
  bytes: Uint8Array,
  version: string,
): Promise<ResponseHeaders> {
  const response = await exchange(target.host, {
    ...writeRequest(target, `manifests/${version}`),
    method: 'PUT',
    headers: { 'content-type': descriptor.mediaType },
    body: bytes,
    expect: [200, 201, 202, 204],
    commits: true,
  });
  await response.body.discard();
  const said = digestIn(response.headers);
  if (said !== undefined && said !== descriptor.digest && algorithmOf(said) === algorithmOf(descriptor.digest))
    target.host.tell(`it says that it has ${said}, and was sent ${descriptor.digest}`);
  return response.headers;
}
