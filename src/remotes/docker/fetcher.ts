import type { Fetcher, FetchOptions } from '../../content/copy.ts';
import { is } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { type Digest, parseDigest } from '../../spec/digest.ts';
import { isManifestLike, manifestAccept } from '../../spec/media-types.ts';
import { BlobSource } from './blob-source.ts';
import { Download } from './download.ts';
import { type BlobStream, Failover } from './failover.ts';
import type { HostState } from './host-state.ts';
import { firstOf, nameOf, type Repository } from './repository.ts';
import { smallBlob } from './upload.ts';

type Kind = 'manifests' | 'blobs';

/** Blobs whose host is remembered, in case their bytes turn out wrong. */
const rememberedBlobs = 1000;

/** Reads blobs and manifests of one repository, from the first host that has them. */
export class RepositoryFetcher implements Fetcher {
  readonly #repository: Repository;
  readonly #servedBy = new Map<Digest, HostState>();

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  async fetch(target: Descriptor, options: FetchOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    parseDigest(target.digest);
    if (target.size > 0 && (options.offset ?? 0) >= target.size) return nothing();
    const hosts = await this.#hostsFor(target, options);
    try {
      return await this.#fromFirst(hosts, target, options);
    } catch (error) {
      // Layers that may not be given away are kept by whoever made them.
      if (!is(error, 'not-found') || (target.urls ?? []).length === 0) throw error;
      return await this.#fromUrls(target, options, error);
    }
  }

  async #fromFirst(hosts: readonly HostState[], target: Descriptor, options: FetchOptions): Promise<BlobStream> {
    const ask = async (host: HostState): Promise<{ host: HostState; download: Download }> => ({
      host,
      download: await this.#fromHost(host, target, options),
    });
    const { host, download } = await firstOf(hosts, ask, options.signal);
    const others = hosts.slice(hosts.indexOf(host) + 1);
    if (others.length === 0) return download;
    return new Failover(download, options.offset ?? 0, async (offset, error) => {
      if (!is(error, 'unavailable')) throw error;
      host.pace.avoid();
      return await this.#fromFirst(others, target, { ...options, offset }).catch((other: unknown) => {
        throw is(other, 'not-found') ? error : other;
      });
    });
  }

  // Whoever sent wrong bytes is asked last.
  async #hostsFor(target: Descriptor, { distrust = false }: FetchOptions): Promise<readonly HostState[]> {
    const hosts = await this.#repository.hosts('pull');
    const suspect = distrust ? this.#servedBy.get(target.digest) : undefined;
    return suspect === undefined ? hosts : [...hosts.filter((host) => host !== suspect), suspect];
  }

  async #fromHost(host: HostState, target: Descriptor, options: FetchOptions): Promise<Download> {
    const kinds: readonly Kind[] = isManifestLike(target.mediaType) ? ['manifests', 'blobs'] : ['blobs', 'manifests'];
    const [first = 'blobs', second = 'manifests'] = kinds;
    try {
      return await this.#start(host, first, target, options);
    } catch (error) {
      // What is neither a known manifest nor a layer may be kept as either.
      if (!is(error, 'not-found')) throw error;
      return await this.#start(host, second, target, options).catch((other: unknown) => {
        throw is(other, 'not-found') ? error : other;
      });
    }
  }

  async #start(host: HostState, kind: Kind, target: Descriptor, options: FetchOptions): Promise<Download> {
    const { distrust = false, signal } = options;
    const source = new BlobSource(host, {
      target,
      ...host.inRepository(this.#repository.path, `${kind}/${target.digest}`, 'pull'),
      headers: {
        accept: kind === 'blobs' ? '*/*' : `${target.mediaType}, ${manifestAccept}`,
        ...(distrust ? { 'cache-control': 'no-cache' } : {}),
      },
      ranged: kind === 'blobs',
      operation: `fetch ${nameOf(this.#repository)}@${target.digest}`,
      signal,
    });
    const download = await this.#download(source, kind, target, options);
    this.#remember(target.digest, host);
    return download;
  }

  async #download(source: BlobSource, kind: Kind, target: Descriptor, options: FetchOptions): Promise<Download> {
    const { offset = 0, distrust = false, transient, signal } = options;
    const { pace, context } = source.host;
    const isSmall = kind === 'manifests' || (target.size > 0 && target.size <= smallBlob);
    const gate = isSmall ? pace.smallDownloads : pace.downloads;
    const policy = distrust ? { ...context.downloads, parts: 0 } : context.downloads;
    return await Download.start({ source, target, offset, policy, transient, gate, signal });
  }

  // Nobody there has to know who we are.
  async #fromUrls(target: Descriptor, options: FetchOptions, notFound: unknown): Promise<AsyncIterable<Uint8Array>> {
    const [registry] = (await this.#repository.hosts('pull')).slice(-1);
    let last = notFound;
    for (const text of target.urls ?? []) {
      try {
        if (registry !== undefined) return await this.#fromUrl(registry, text, target, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        last = error;
      }
    }
    throw last;
  }

  async #fromUrl(registry: HostState, text: string, target: Descriptor, options: FetchOptions): Promise<Download> {
    const url = await registry.guard(text, registry.root, 'layer URL');
    const host = await registry.at(url);
    const source = new BlobSource(host, {
      target,
      url,
      headers: {},
      scopes: [],
      ranged: true,
      credentials: 'none',
      operation: `fetch ${target.digest} from ${url.host}`,
      signal: options.signal,
    });
    return await this.#download(source, 'blobs', target, options);
  }

  #remember(digest: Digest, host: HostState): void {
    this.#servedBy.delete(digest);
    this.#servedBy.set(digest, host);
    const [oldest] = this.#servedBy.keys();
    if (this.#servedBy.size > rememberedBlobs && oldest !== undefined) this.#servedBy.delete(oldest);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
