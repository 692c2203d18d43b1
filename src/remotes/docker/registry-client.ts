import type { Fetcher, Pusher } from '../../content/copy.ts';
import type { AbortableOptions } from '../../content/store.ts';
import { DrayError } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { type Digest, parseDigest } from '../../spec/digest.ts';
import {
  formatReference,
  isRepositoryPath,
  isTag,
  parseReference,
  parseRegistry,
  parseRepository,
  type Reference,
} from '../../spec/reference.ts';
import type { PusherOptions, Resolved, Resolver } from '../remote.ts';
import type { BlobLocations } from './blob-locations.ts';
import { type RegistryClientOptions, registriesOf } from './client-options.ts';
import type { Credentials } from './credentials.ts';
import { deleteManifest, deleteTag } from './deletes.ts';
import { RepositoryFetcher } from './fetcher.ts';
import type { HostState } from './host-state.ts';
import { ping, verifyLogin } from './login.ts';
import { putManifest } from './manifests.ts';
import { mountBlob } from './mounts.ts';
import { environmentProxies } from './proxy.ts';
import { RepositoryPusher } from './pusher.ts';
import { listDigestTags, listReferrers } from './referrers.ts';
import type { Registries } from './registries.ts';
import { nameOf, type Repository } from './repository.ts';
import { getManifest, type RawManifest, resolveVersion, type Version } from './resolver.ts';
import { statDigest } from './stat.ts';
import { listRepositories, listTags } from './tags.ts';
import { Transport } from './transport.ts';
import type { UploadSessionStore } from './upload-sessions.ts';

export type { RegistryClientOptions } from './client-options.ts';

/** Options of {@link RegistryClient.referrers}. */
export interface ReferrersOptions extends AbortableOptions {
  /** Only those of this type. */
  readonly artifactType?: string | undefined;
}

/**
 * Talks to registries by the OCI distribution protocol. Everything it learns about a host it keeps for as long as it lives:
 * tokens, connections, what the host can do and how much it takes. Whoever made it disposes it.
 */
export class RegistryClient implements Resolver, AsyncDisposable {
  readonly #transport: Transport;
  readonly #registries: Registries;
  readonly #uploads: UploadSessionStore | undefined;
  readonly #locations: BlobLocations | undefined;

  constructor(options: RegistryClientOptions = {}) {
    this.#transport = new Transport({ proxyFor: options.proxy ?? environmentProxies() });
    this.#registries = registriesOf(options, this.#transport);
    this.#uploads = options.uploads;
    this.#locations = options.locations;
  }

  async resolve(reference: string, { signal }: AbortableOptions = {}): Promise<Resolved> {
    const parsed = parseReference(reference);
    const target = await resolveVersion(this.#repository(parsed), versionOf(parsed), signal);
    return { name: formatReference(parsed), target };
  }

  async fetcher(reference: string, _options: AbortableOptions = {}): Promise<Fetcher> {
    return new RepositoryFetcher(this.#repository(parseReference(reference)));
  }

  async pusher(reference: string, options: PusherOptions = {}): Promise<Pusher> {
    const parsed = parseReference(reference);
    for (const tag of options.tags ?? []) checkTag(tag);
    const repository = this.#repository(parsed);
    const host = await pushHost(repository);
    const kept = { sessions: this.#uploads, locations: this.#locations };
    return new RepositoryPusher({ ...options, ...kept, repository, host, version: parsed });
  }

  /**
   * The manifest of a reference as the registry has it, in one request, verified.
   * @throws DrayError as {@link resolve} does; `data-loss` for bytes of another digest; `invalid-argument`, reason
   * `bad-document`.
   */
  async manifest(
    reference: string,
    { signal }: AbortableOptions = {},
  ): Promise<RawManifest & { readonly name: string }> {
    const parsed = parseReference(reference);
    const found = await getManifest(this.#repository(parsed), versionOf(parsed), signal);
    return { ...found, name: formatReference(parsed) };
  }

  /**
   * What the repository of a reference has under a digest, a blob or a manifest. Blobs come as `application/octet-stream`.
   * @throws DrayError `not-found`, and as {@link resolve} does.
   */
  async stat(reference: string, digest: Digest, { signal }: AbortableOptions = {}): Promise<Descriptor> {
    return await statDigest(this.#repository(parseReference(reference)), parseDigest(digest), signal);
  }

  /** The tags of a repository, as they arrive. @throws DrayError `not-found`, and as {@link resolve} does. */
  tags(repository: string, { signal }: AbortableOptions = {}): AsyncIterable<string> {
    return listTags(this.#repository(parseRepository(repository)), signal);
  }

  /** The repositories of a registry; few public registries tell. @throws DrayError `invalid-argument`, and as {@link resolve} does. */
  async *catalog(registry: string, { signal }: AbortableOptions = {}): AsyncGenerator<string> {
    yield* listRepositories(await this.#registries.host(parseRegistry(registry)), signal);
  }

  /**
   * Gives an object of a repository more tags, without moving anything but its manifest: one request for all of them where
   * the registry knows that, else one each, and one before to get the manifest unless it is given.
   * @throws DrayError `not-found`; `failed-precondition`, reason `policy`, for tags that cannot be moved.
   */
  async tag(
    source: string | (RawManifest & { readonly name: string }),
    tags: readonly string[],
    { signal }: AbortableOptions = {},
  ): Promise<Descriptor> {
    for (const tag of tags) checkTag(tag);
    const { name, descriptor, bytes } = typeof source === 'string' ? await this.manifest(source, { signal }) : source;
    const repository = this.#repository(parseReference(name));
    const host = await pushHost(repository);
    const target = { host, path: repository.path, operation: `tag ${nameOf(repository)}`, signal };
    await putManifest(target, descriptor, bytes, tags);
    return descriptor;
  }

  /**
   * Has a registry take a blob into the repository of a reference from another of its repositories (`library/redis`), without
   * sending it. Whether it did; where it did not, push it.
   * @throws DrayError `invalid-argument` for a malformed digest or path; as {@link resolve} does, but for refusals.
   */
  async mount(reference: string, digest: Digest, from: string, { signal }: AbortableOptions = {}): Promise<boolean> {
    if (!isRepositoryPath(from)) throw noPath(from);
    const repository = this.#repository(parseReference(reference));
    const host = await pushHost(repository);
    const target = { host, path: repository.path, operation: `mount into ${nameOf(repository)}`, signal };
    const outcome = await mountBlob(target, parseDigest(digest), from);
    if (outcome !== 'mounted') await outcome?.cancel();
    return outcome === 'mounted';
  }

  /**
   * Deletes what a reference names: the manifest when it has a digest, else the tag.
   * @throws DrayError `not-found`; `not-implemented` where the registry does not delete.
   */
  async delete(reference: string, options: AbortableOptions = {}): Promise<void> {
    await (parseReference(reference).digest === undefined
      ? this.deleteTag(reference, options)
      : this.deleteManifest(reference, options));
  }

  /** Deletes a manifest by its digest, and with it every tag it has. @throws DrayError as {@link delete} does. */
  async deleteManifest(reference: string, { signal }: AbortableOptions = {}): Promise<void> {
    const { digest, ...parsed } = parseReference(reference);
    const repository = this.#repository(parsed);
    if (digest === undefined) throw withoutDigest(reference);
    await deleteManifest(await pushHost(repository), repository, digest, signal);
  }

  /** Deletes a tag and leaves the manifest. @throws DrayError as {@link delete} does. */
  async deleteTag(reference: string, { signal }: AbortableOptions = {}): Promise<void> {
    const { tag, ...parsed } = parseReference(reference);
    const repository = this.#repository(parsed);
    if (tag === undefined) throw withoutTag(reference);
    await deleteTag(await pushHost(repository), repository, tag, signal);
  }

  /**
   * The objects that refer to an object as their subject: signatures, attestations, documents about it. A reference with a
   * tag is resolved first.
   * @throws DrayError as {@link resolve} does.
   */
  async *referrers(reference: string, { artifactType, signal }: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    const { repository, digest } = await this.#digestOf(reference, signal);
    yield* listReferrers(repository, digest, { artifactType, signal });
  }

  /**
   * The tags that tools without the referrers API keep beside an object, named after its digest: `sha256-….sig`, `.att`,
   * `.sbom`. A reference with a tag is resolved first.
   * @throws DrayError as {@link resolve} does.
   */
  async *digestTags(reference: string, { signal }: AbortableOptions = {}): AsyncGenerator<string> {
    const { repository, digest } = await this.#digestOf(reference, signal);
    yield* listDigestTags(repository, digest, signal);
  }

  async #digestOf(
    reference: string,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly repository: Repository; readonly digest: Digest }> {
    const parsed = parseReference(reference);
    const repository = this.#repository(parsed);
    const digest = parsed.digest ?? (await resolveVersion(repository, versionOf(parsed), signal)).digest;
    return { repository, digest };
  }

  /** Whether a registry is there and lets us in. @throws DrayError `unauthenticated`, `unavailable`, `not-found`. */
  async ping(registry: string, { signal }: AbortableOptions = {}): Promise<void> {
    const host = await this.#registries.host(parseRegistry(registry));
    await ping(host, signal);
  }

  /**
   * Tries credentials out. True when the registry has accepted them; false when it lets everybody in and did not look.
   * @throws DrayError `unauthenticated` or `permission-denied` when it refuses them; `unavailable`.
   */
  async verifyLogin(registry: string, credentials: Credentials, { signal }: AbortableOptions = {}): Promise<boolean> {
    return await verifyLogin(
      await this.#registries.hostFor(parseRegistry(registry), { get: async () => credentials }),
      credentials,
      signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]();
  }

  #repository({ domain, path }: Reference): Repository {
    return this.#registries.repository(domain, path);
  }
}

function versionOf({ tag, digest }: Reference): Version {
  return digest === undefined ? { tag } : { digest };
}

async function pushHost(repository: Repository): Promise<HostState> {
  const [host] = await repository.hosts('push');
  if (host !== undefined) return host;
  throw new DrayError('failed-precondition', `no host of ${repository.domain} may be pushed to`, {
    reason: 'policy',
    registry: repository.domain,
    hint: 'give one of them the capability "push" in the hosts directory',
  });
}

function withoutDigest(reference: string): DrayError {
  return new DrayError('invalid-argument', `${reference} names no digest, and a manifest is deleted by its digest`, {
    hint: 'name it with @sha256:…, or delete the tag',
  });
}

function withoutTag(reference: string): DrayError {
  return new DrayError('invalid-argument', `${reference} names no tag`, { hint: 'name one, or delete the manifest' });
}

function noPath(path: string): DrayError {
  return new DrayError('invalid-argument', `${JSON.stringify(path)} is not the path of a repository`, {
    hint: 'name a repository of the same registry, such as library/redis',
  });
}

function checkTag(tag: string): void {
  if (isTag(tag)) return;
  throw new DrayError('invalid-argument', `${JSON.stringify(tag)} is not a tag`, {
    hint: 'a tag has at most 128 letters, digits, dots, dashes and underscores',
  });
}
