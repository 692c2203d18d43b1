import { DrayError, ifFound } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import type { Digest } from '../../spec/digest.ts';
import { parseIndex } from '../../spec/documents.ts';
import { isIndex, mediaTypes } from '../../spec/media-types.ts';
import { referrersTag } from '../../spec/referrers.ts';
import { receive } from './exchange.ts';
import type { HostState } from './host-state.ts';
import { type Page, type PageRequest, pageRequest, pagesFrom, readPage } from './pages.ts';
import { firstOf, nameOf, type Repository } from './repository.ts';
import { getManifestFrom } from './resolver.ts';
import { listTags } from './tags.ts';

/** What refers to an object: the referrers API, and the tag schema of registries without it (distribution-spec). */

/** Which referrers are wanted. */
export interface ReferrersQuery {
  readonly artifactType?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The tags that begin with that of an object's referrers and go on: `sha256-….sig`. @throws DrayError what the registry answers. */
export async function* listDigestTags(
  repository: Repository,
  digest: Digest,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  const beginning = `${referrersTag(digest)}.`;
  for await (const tag of listTags(repository, signal)) if (tag.startsWith(beginning)) yield tag;
}

/** The referrers of an object, each once. @throws DrayError what the registry answers. */
export async function* listReferrers(
  repository: Repository,
  digest: Digest,
  { artifactType, signal }: ReferrersQuery,
): AsyncGenerator<Descriptor> {
  const hosts = await repository.hosts('referrers');
  const list = await firstOf(hosts, (host) => referrersAt(host, repository, digest, artifactType, signal), signal);
  const seen = new Set<Digest>();
  for await (const descriptor of list) {
    // Nothing refers to itself, though it was met in lists.
    if (seen.has(descriptor.digest) || descriptor.digest === digest) continue;
    seen.add(descriptor.digest);
    // Not every registry filters, and not every one that says so does.
    if (artifactType === undefined || descriptor.artifactType === artifactType) yield descriptor;
  }
}

/** Whether a registry keeps referrers itself. */
export async function hasReferrersApi(
  host: HostState,
  repository: Repository,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { referrers } = host.learned;
  const known = referrers.get(repository.path);
  if (known !== undefined) return known;
  const page = await askApi(host, requestFor(host, repository, `referrers/${digest}`, signal));
  referrers.set(repository.path, page !== undefined);
  return page !== undefined;
}

async function referrersAt(
  host: HostState,
  repository: Repository,
  digest: Digest,
  artifactType: string | undefined,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Descriptor> | Iterable<Descriptor>> {
  const { referrers } = host.learned;
  const known = referrers.get(repository.path);
  if (known !== false) {
    const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
    const request = requestFor(host, repository, `referrers/${digest}${query}`, signal);
    const page = await askApi(host, request);
    // One answer astray is no reason never to ask again.
    referrers.set(repository.path, known === true || page !== undefined);
    if (page !== undefined) return descriptorsOf(host, request, page);
  }
  return await listUnderTag(host, repository, referrersTag(digest), signal);
}

// Undefined when the registry has no such API, which registries say in many ways.
async function askApi(host: HostState, request: PageRequest): Promise<Page | undefined> {
  try {
    return await receive(host, pageRequest(request), async (response) => {
      const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? '';
      if (isIndex(type)) return await readPage(host, response);
      await response.body.discard();
      return undefined;
    });
  } catch (error) {
    if (!(error instanceof DrayError)) throw error;
    const { status, codes = [] } = error.context;
    if (status === 404 && codes.includes('NAME_UNKNOWN')) throw error;
    if ([400, 404, 405, 406, 501].includes(status ?? 0) || error.reason === 'policy') return undefined;
    throw error;
  }
}

async function* descriptorsOf(host: HostState, request: PageRequest, first: Page): AsyncGenerator<Descriptor> {
  for await (const page of pagesFrom(host, request, first)) {
    yield* parseIndex(Buffer.from(JSON.stringify(page))).manifests;
  }
}

/**
 * The list of an object's referrers that clients keep under its {@link referrersTag}; an empty one where there is none.
 * @throws DrayError what the registry answers; `invalid-argument`, reason `bad-document`, when the tag is something else's.
 */
export async function listUnderTag(
  host: HostState,
  repository: Repository,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  const found = await ifFound(getManifestFrom(host, repository, { tag }, signal));
  if (found === undefined) return [];
  if (isIndex(found.descriptor.mediaType)) return parseIndex(found.bytes).manifests;
  throw new DrayError('invalid-argument', `the tag ${tag} is no list of referrers`, {
    reason: 'bad-document',
    registry: host.registry,
    hint: 'somebody gave that tag to something else',
  });
}

function requestFor(
  host: HostState,
  repository: Repository,
  below: string,
  signal: AbortSignal | undefined,
): PageRequest {
  return {
    ...host.inRepository(repository.path, below, 'pull'),
    headers: { accept: mediaTypes.ociIndex },
    operation: `list the referrers in ${nameOf(repository)}`,
    signal,
  };
}
