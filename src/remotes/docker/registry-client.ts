import type { Fetcher, Pusher } from '../../content/copy.ts';
import type { AbortableOptions } from '../../content/store.ts';
import { DrayError } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { type Digest, parseDigest } from '../../spec/digest.ts';
import { formatReference, isTag, parseReference, parseRepository, type Reference } from '../../spec/reference.ts';
import type { PusherOptions, Resolved, Resolver } from '../remote.ts';
import { containersAuthCredentials, dockerConfigCredentials } from './auth-file.ts';
import { Budget } from './budget.ts';
import { type CredentialSource, type Credentials, chainedCredentials, environmentCredentials } from './credentials.ts';
import { deleteManifest, deleteTag } from './deletes.ts';
import { type DownloadOptions, defaultDownloadPolicy } from './download.ts';
import type { RegistryEvent } from './events.ts';
import { RepositoryFetcher } from './fetcher.ts';
import type { ClientContext, HostState, Timeouts } from './host-state.ts';
import type { HostConfig } from './hosts.ts';
import { defaultCertificateDirectories, findHosts } from './hosts-directory.ts';
import { ping, verifyLogin } from './login.ts';
import { putManifest } from './manifests.ts';
import { Pace } from './pace.ts';
import { environmentProxies, type FindProxy } from './proxy.ts';
import { RepositoryPusher } from './pusher.ts';
import { listReferrers } from './referrers.ts';
import { Registries } from './registries.ts';
import { nameOf, type Repository } from './repository.ts';
import { getManifest, type RawManifest, resolveVersion, type Version } from './resolver.ts';
import { defaultRetryPolicy, type RetryOptions } from './retry.ts';
import { statDigest } from './stat.ts';
import { listRepositories, listTags } from './tags.ts';
import { Transport } from './transport.ts';
import type { UploadSessionStore } from './upload-sessions.ts';

/** How a {@link RegistryClient} behaves. Nothing here is needed for the usual case. */
export interface RegistryClientOptions {
  /** Who we are; the environment and the config files of docker and podman if not said. */
  readonly credentials?: CredentialSource | undefined;
  /** The config file with credentials, in place of those of docker and podman; for when `credentials` is not said. */
  readonly authFile?: string | undefined;
  /** Speak http to registries that nothing is configured for. Loopback registries may speak it without this. */
  readonly plainHttp?: boolean | undefined;
  /** Do not verify certificates of registries that nothing is configured for. */
  readonly insecure?: boolean | undefined;
  /** A directory in the format of containerd's `certs.d`, or several, separated as those of `PATH`. */
  readonly hostsDirectory?: string | undefined;
  /** Directories in the format of docker's `certs.d`; those of docker and podman if not said. */
  readonly certificateDirectories?: readonly string[] | undefined;
  /** The proxy for a URL; those of the environment if not said. */
  readonly proxy?: FindProxy | undefined;
  /** The most bodies that travel at once from or to one host, in each direction; 8 if not said. */
  readonly concurrency?: number | undefined;
  /** Never dial: every request fails with `failed-precondition`, reason `policy`. */
  readonly offline?: boolean | undefined;
  readonly userAgent?: string | undefined;
  /** Time limits in milliseconds. */
  readonly timeouts?: (Partial<Timeouts> & { readonly connect?: number | undefined }) | undefined;
  readonly retry?: RetryOptions | undefined;
  /** When a blob is fetched over several connections. */
  readonly downloads?: DownloadOptions | undefined;
  /** Memory for bytes that arrive before they are wanted, of all blobs together, in bytes; 64 MiB if not said. */
  readonly memory?: number | undefined;
  /** Bytes of a chunk where a blob is sent in chunks; 16 MiB if not said. */
  readonly chunkSize?: number | undefined;
  /** Remembers unfinished uploads, so that a later client goes on with them. */
  readonly uploads?: UploadSessionStore | undefined;
  /** Told what happens: requests, retries, waits, limits, warnings. Nothing in it is secret. */
  readonly onEvent?: ((event: RegistryEvent) => void) | undefined;
}

/** Options of {@link RegistryClient.referrers}. */
export interface ReferrersOptions extends AbortableOptions {
  /** Only those of this type. */
  readonly artifactType?: string | undefined;
}

const defaultTimeouts: Timeouts = { headers: 60_000, commit: 600_000, stall: 30_000 };
const defaultConcurrency = 8;
const defaultChunkSize = 16 * 1024 * 1024;
const defaultMemory = 64 * 1024 * 1024;

/**
 * Talks to registries by the OCI distribution protocol. Everything it learns about a host it keeps for as long as it lives:
 * tokens, connections, what the host can do and how much it takes. Whoever made it disposes it.
 */
export class RegistryClient implements Resolver, AsyncDisposable {
  readonly #transport: Transport;
  readonly #registries: Registries;
  readonly #uploads: UploadSessionStore | undefined;

  constructor(options: RegistryClientOptions = {}) {
    this.#transport = new Transport({ proxyFor: options.proxy ?? environmentProxies() });
    this.#uploads = options.uploads;
    const connection = { skipVerify: options.insecure === true, timeout: options.timeouts?.connect };
    const defaults = { plainHttp: options.plainHttp === true, connection };
    const { hostsDirectory, certificateDirectories = defaultCertificateDirectories() } = options;
    this.#registries = new Registries(contextOf(options, this.#transport), defaults, (registry) =>
      findHosts(registry, { hostsDirectory, certificateDirectories, defaults }),
    );
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
    return new RepositoryPusher({ ...options, repository, host, version: parsed, sessions: this.#uploads });
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

  /** The repositories of a registry; few public registries tell. @throws DrayError as {@link resolve} does. */
  async *catalog(registry: string, { signal }: AbortableOptions = {}): AsyncGenerator<string> {
    yield* listRepositories(await this.#registries.host(registry), signal);
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
    const scopes = [host.scope(repository.path, 'pull', 'push')];
    const target = { host, path: repository.path, scopes, operation: `tag ${nameOf(repository)}`, signal };
    await putManifest(target, descriptor, bytes, tags);
    return descriptor;
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
    const parsed = parseReference(reference);
    const repository = this.#repository(parsed);
    const digest = parsed.digest ?? (await resolveVersion(repository, versionOf(parsed), signal)).digest;
    yield* listReferrers(repository, digest, { artifactType, signal });
  }

  /** Whether a registry is there and lets us in. @throws DrayError `unauthenticated`, `unavailable`, `not-found`. */
  async ping(registry: string, { signal }: AbortableOptions = {}): Promise<void> {
    const host = await this.#registries.host(registry);
    await ping(host, signal);
  }

  /**
   * Tries credentials out. True when the registry has accepted them; false when it lets everybody in and did not look.
   * @throws DrayError `unauthenticated` or `permission-denied` when it refuses them; `unavailable`.
   */
  async verifyLogin(registry: string, credentials: Credentials, { signal }: AbortableOptions = {}): Promise<boolean> {
    return await verifyLogin(
      await this.#registries.hostFor(registry, { get: async () => credentials }),
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

/**
 * Where credentials come from when nobody says: the environment, then the config files of docker and of podman, or the one
 * file that is named.
 */
export function defaultCredentials(file?: string): CredentialSource {
  const files =
    file === undefined ? [dockerConfigCredentials(), containersAuthCredentials()] : [dockerConfigCredentials({ file })];
  return chainedCredentials(environmentCredentials(), ...files);
}

function contextOf(options: RegistryClientOptions, transport: Transport): ClientContext {
  const { headers, commit, stall } = { ...defaultTimeouts, ...said(options.timeouts) };
  return {
    transport,
    credentials: options.credentials ?? defaultCredentials(options.authFile),
    emit: options.onEvent ?? (() => {}),
    timeouts: { headers, commit, stall },
    retry: { ...defaultRetryPolicy, ...said(options.retry) },
    userAgent: options.userAgent ?? 'dray',
    offline: options.offline === true,
    paceOf: pacesOf(options.concurrency ?? defaultConcurrency),
    chunkSize: options.chunkSize ?? defaultChunkSize,
    downloads: { ...defaultDownloadPolicy, ...said(options.downloads) },
    budget: new Budget(options.memory ?? defaultMemory),
  };
}

function pacesOf(concurrency: number): (config: HostConfig) => Pace {
  const paces = new Map<string, Pace>();
  return ({ root, connection }) => {
    const server = connection.socketPath ?? root.origin;
    const pace = paces.get(server) ?? new Pace(concurrency);
    paces.set(server, pace);
    return pace;
  };
}

// Options that are there but undefined count as not said.
function said<T extends object>(options: T | undefined): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
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

function checkTag(tag: string): void {
  if (isTag(tag)) return;
  throw new DrayError('invalid-argument', `${JSON.stringify(tag)} is not a tag`, {
    hint: 'a tag has at most 128 letters, digits, dots, dashes and underscores',
  });
}
