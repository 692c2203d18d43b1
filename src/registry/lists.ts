import { readDocument } from '../content/documents.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { mediaTypes } from '../spec/media-types.ts';
import { refusal } from './codes.ts';
import { parseAs } from './documents.ts';
import type { Exchange } from './exchange.ts';
import { repositoryOfImage } from './names.ts';
import { linkNext, pageRequest } from './pages.ts';
import { replyJson } from './reply.ts';
import type { Repository } from './repository.ts';
import type { RegistryState, RepositoryRequest } from './state.ts';

/** `GET` of the tags of a repository, in byte order (distribution-spec, Listing tags). */
export async function listTags({ exchange, repository }: RepositoryRequest): Promise<void> {
  const page = pageRequest(exchange);
  const tags: string[] = [];
  let more = false;
  for await (const { tag } of repository.tags()) {
    if (page.last !== undefined && tag <= page.last) continue;
    more = tags.length >= page.count;
    if (more) break;
    tags.push(tag);
  }
  if (tags.length === 0 && !more && !(await repository.exists())) {
    throw refusal('NAME_UNKNOWN', `repository ${repository.name.short} does not exist`);
  }
  const last = tags.at(-1);
  if (more && last !== undefined) linkNext(exchange, `/v2/${repository.name.short}/tags/list`, last, page.count);
  replyJson(exchange, { name: repository.name.short, tags });
}

/** `GET` of the repositories that have something in them, in byte order. */
export async function listRepositories(exchange: Exchange, { services, holds, domain }: RegistryState): Promise<void> {
  const page = pageRequest(exchange);
  const names = new Set<string>();
  const add = (full: string): void => {
    const name = repositoryOfImage(full, domain);
    if (name !== undefined) names.add(name.short);
  };
  for await (const { name } of services.images.list()) add(withoutVersion(name));
  for await (const full of holds.repositories()) add(full);
  const { count, last } = page;
  const behind = [...names].sort().filter((name) => last === undefined || name > last);
  const repositories = behind.slice(0, count);
  const end = repositories.at(-1);
  if (behind.length > count && end !== undefined) linkNext(exchange, '/v2/_catalog', end, count);
  replyJson(exchange, { repositories });
}

function withoutVersion(name: string): string {
  const bare = name.split('@')[0] ?? '';
  const colon = bare.lastIndexOf(':');
  return colon > bare.lastIndexOf('/') ? bare.slice(0, colon) : bare;
}

/** What one page of referrers may list, look at and read, in manifests and bytes. */
const referrersPage = { listed: 100, looked: 1000, read: 32 * 1024 * 1024 };

/** `GET` of the manifests that refer to a subject, perhaps of one type (distribution-spec, Listing referrers). */
export async function listReferrers(
  { exchange, state, repository }: RepositoryRequest,
  subject: Digest,
): Promise<void> {
  const wanted = exchange.query.getAll('artifactType').filter((type) => type !== '');
  const last = exchange.query.get('last') ?? '';
  const manifests: Descriptor[] = [];
  let [looked, read] = [0, 0];
  let end: Digest | undefined;
  for await (const digest of state.holds.referrers(repository.name.full, subject)) {
    if (digest <= last) continue;
    if (manifests.length >= referrersPage.listed || looked >= referrersPage.looked || read >= referrersPage.read) {
      linkNext(exchange, `/v2/${repository.name.short}/referrers/${subject}`, end ?? digest);
      break;
    }
    end = digest;
    looked += 1;
    const described = await describe(state, repository, digest);
    read += described?.size ?? 0;
    if (described === undefined || (wanted.length > 0 && !wanted.includes(described.artifactType ?? ''))) continue;
    manifests.push(described);
  }
  if (wanted.length > 0) exchange.response.setHeader('OCI-Filters-Applied', 'artifactType');
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
  replyJson(exchange, index, { 'Content-Type': mediaTypes.ociIndex });
}

async function describe(
  { services }: RegistryState,
  repository: Repository,
  digest: Digest,
): Promise<Descriptor | undefined> {
  const found = await repository.manifest(digest);
  if (found === undefined) return undefined;
  const { artifactType, annotations } = parseAs(found.mediaType, await readDocument(services.content, found));
  return {
    ...found,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
