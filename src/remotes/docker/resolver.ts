import { checkDigest } from '../../content/verified.ts';
import { DrayError } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { algorithmOf, canonicalAlgorithm, type Digest, digestOf, isDigest } from '../../spec/digest.ts';
import { detectMediaType, documentLimit } from '../../spec/documents.ts';
import { isManifestLike, isSchema1, manifestAccept } from '../../spec/media-types.ts';
import { digestedBytes } from '../../spec/schema1.ts';
import { errorFrom } from './answer-errors.ts';
import { exchange, receive } from './exchange.ts';
import type { HostRequest } from './host-request.ts';
import type { HostState } from './host-state.ts';
import { firstOf, nameOf, type Repository } from './repository.ts';
import type { ResponseHeaders, WireResponse } from './transport.ts';

/** A manifest with the bytes that its digest is over. */
export interface RawManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** A tag or a digest. */
export interface Version {
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

/**
 * What a tag or digest stands for: one HEAD, and a GET where that does not say enough.
 * @throws DrayError `not-found` and what else the hosts answer.
 */
export async function resolveVersion(
  repository: Repository,
  version: Version,
  signal?: AbortSignal,
): Promise<Descriptor> {
  const hosts = await repository.hosts(version.digest === undefined ? 'resolve' : 'pull');
  return firstOf(hosts, (host) => resolveAt(host, repository, version, signal), signal);
}

/**
 * The manifest of a tag or digest, in one GET.
 * @throws DrayError `not-found`; `data-loss` for bytes of another digest; `invalid-argument`, reason `bad-document`.
 */
export async function getManifest(
  repository: Repository,
  version: Version,
  signal?: AbortSignal,
): Promise<RawManifest> {
  const hosts = await repository.hosts(version.digest === undefined ? 'resolve' : 'pull');
  return firstOf(hosts, (host) => getManifestFrom(host, repository, version, signal), signal);
}

async function resolveAt(
  host: HostState,
  repository: Repository,
  version: Version,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  if (host.learned.headManifest === false) return (await getManifestFrom(host, repository, version, signal)).descriptor;
  const request = manifestRequest(host, repository, version, signal);
  const response = await exchange(host, { ...request, method: 'HEAD', expect: 'any' });
  await response.body.discard();
  const descriptor = response.status === 200 ? descriptorOf(response.headers, version.digest) : undefined;
  if (descriptor !== undefined) return descriptor;
  if (response.status === 429 || response.status >= 500) throw await errorFrom(response, response.context);
  // A failed HEAD has no message, and some servers know HEAD badly: the GET decides.
  const found = await getManifestFrom(host, repository, version, signal);
  host.learned.headManifest = false;
  return found.descriptor;
}

/** As {@link getManifest}, from one host. */
export async function getManifestFrom(
  host: HostState,
  repository: Repository,
  version: Version,
  signal: AbortSignal | undefined,
): Promise<RawManifest> {
  return await receive(host, manifestRequest(host, repository, version, signal), async (response) =>
    manifestOf(response, await response.body.bytes(documentLimit), version.digest),
  );
}

function manifestRequest(
  host: HostState,
  repository: Repository,
  { tag, digest }: Version,
  signal: AbortSignal | undefined,
): HostRequest {
  return {
    method: 'GET',
    ...host.inRepository(repository.path, `manifests/${digest ?? tag}`, 'pull'),
    headers: { accept: manifestAccept },
    expect: [200],
    operation: `resolve ${nameOf(repository)}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`,
    signal,
  };
}

function descriptorOf(headers: ResponseHeaders, expected: Digest | undefined): Descriptor | undefined {
  const mediaType = mediaTypeOf(headers);
  const said = digestIn(headers);
  const size = Number(headers.get('content-length'));
  // What is no manifest by its type may be one by what it says itself.
  if (mediaType === undefined || !isManifestLike(mediaType) || !Number.isSafeInteger(size) || size <= 0)
    return undefined;
  if (expected !== undefined) {
    if (said !== undefined && algorithmOf(said) === algorithmOf(expected)) checkDigest(expected, said);
    return { mediaType, digest: expected, size };
  }
  return said === undefined ? undefined : { mediaType, digest: said, size };
}

function manifestOf(response: WireResponse, bytes: Buffer, expected: Digest | undefined): RawManifest {
  const { headers } = response;
  const said = digestIn(headers);
  const mediaType = agreedMediaType(mediaTypeOf(headers), bytes);
  const algorithm = algorithmOf(expected ?? said ?? `${canonicalAlgorithm}:${'0'.repeat(64)}`);
  const digest = digestOf(digestedBytes(mediaType, bytes), algorithm);
  if (expected !== undefined) checkDigest(expected, digest);
  return { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes };
}

// Types that say nothing; servers have sent manifests under all of them.
const sayNothing = new Set(['text/plain', 'application/json', 'application/octet-stream', 'binary/octet-stream', '']);

function mediaTypeOf(headers: ResponseHeaders): string | undefined {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? '';
  return sayNothing.has(type) ? undefined : type;
}

// What is no image document, neither by its shape nor by what the registry says, is what that says.
function ownMediaType(bytes: Buffer, said: string | undefined): string {
  try {
    return detectMediaType(bytes);
  } catch (error) {
    if (said === undefined || isManifestLike(said)) throw error;
    return said;
  }
}

// image-spec, media type conflicts: where no digest vouches for the type, the two have to agree.
function agreedMediaType(said: string | undefined, bytes: Buffer): string {
  if (said !== undefined && /html|xml/i.test(said)) throw notARegistry(said);
  const own = ownMediaType(bytes, said);
  if (said === undefined || said === own.toLowerCase()) return own;
  if (isSchema1(own) && isSchema1(said)) return own;
  const declares = JSON.parse(bytes.toString()) as { mediaType?: unknown };
  if (declares.mediaType === undefined || declares.mediaType === '') return isManifestLike(said) ? said : own;
  throw new DrayError('invalid-argument', `a manifest sent as ${said} says that it is ${own}`, {
    reason: 'bad-document',
    hint: 'one of the two is wrong, so neither can be trusted: push it again',
  });
}

function notARegistry(type: string): DrayError {
  return new DrayError('unavailable', `the answer is a page (${type.slice(0, 80)}), not a manifest`, {
    hint: 'something else than a registry answers there: a proxy, a login page, a web server',
  });
}

/** The digest that an answer says its manifest has; undefined for one that cannot be computed here. */
export function digestIn(headers: ResponseHeaders): Digest | undefined {
  const said = headers.get('docker-content-digest')?.trim() ?? '';
  return isDigest(said) ? said : undefined;
}
