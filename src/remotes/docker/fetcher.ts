import type { Fetcher, FetchOptions } from '../../content/copy.ts';
import { sizeMismatch } from '../../content/verified.ts';
import { DrayError, is } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { parseDigest } from '../../spec/digest.ts';
import { isManifestLike, manifestAccept } from '../../spec/media-types.ts';
import { Download, type Opened } from './download.ts';
import { exchange } from './exchange.ts';
import type { HostState } from './host-state.ts';
import { parseContentRange, rangeHeader } from './ranges.ts';
import { firstOf, nameOf, type Repository } from './repository.ts';
import type { WireResponse } from './transport.ts';

/** Reads blobs and manifests of one repository, from the first host that has them. */
export class RepositoryFetcher implements Fetcher {
  readonly #repository: Repository;

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  async fetch(target: Descriptor, { offset = 0, signal }: FetchOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    parseDigest(target.digest);
    if (target.size > 0 && offset >= target.size) return nothing();
    const hosts = await this.#repository.hosts('pull');
    return await firstOf(hosts, (host) => this.#fetchFrom(host, target, offset, signal), signal);
  }

  async #fetchFrom(
    host: HostState,
    target: Descriptor,
    offset: number,
    signal: AbortSignal | undefined,
  ): Promise<AsyncIterable<Uint8Array>> {
    const kinds = isManifestLike(target.mediaType)
      ? (['manifests', 'blobs'] as const)
      : (['blobs', 'manifests'] as const);
    const [first, second] = kinds;
    try {
      return await this.#start(host, first, target, offset, signal);
    } catch (error) {
      // What is neither a known manifest nor a layer may be kept as either.
      if (!is(error, 'not-found')) throw error;
      return await this.#start(host, second, target, offset, signal).catch((second: unknown) => {
        throw is(second, 'not-found') ? error : second;
      });
    }
  }

  async #start(
    host: HostState,
    kind: 'manifests' | 'blobs',
    target: Descriptor,
    offset: number,
    signal: AbortSignal | undefined,
  ): Promise<AsyncIterable<Uint8Array>> {
    const gate = kind === 'blobs' ? host.downloads : host.metadata;
    const leave = await gate.enter(signal);
    const open = (at: number): Promise<Opened> => this.#open(host, kind, target, at, signal);
    return await Download.start(target, offset, open, leave, signal);
  }

  async #open(
    host: HostState,
    kind: 'manifests' | 'blobs',
    target: Descriptor,
    offset: number,
    signal: AbortSignal | undefined,
  ): Promise<Opened> {
    const ranged = offset > 0 && host.learned.ranges !== false && kind === 'blobs';
    const response = await exchange(host, {
      method: 'GET',
      url: host.url(`${this.#repository.path}/${kind}/${target.digest}`),
      headers: {
        accept: kind === 'blobs' ? '*/*' : `${target.mediaType}, ${manifestAccept}`,
        'accept-encoding': 'identity',
        ...(ranged ? { range: rangeHeader(offset) } : {}),
      },
      scopes: [host.scope(this.#repository.path, 'pull')],
      repository: this.#repository.path,
      expect: ranged ? [200, 206, 416] : [200],
      bulk: true,
      operation: `fetch ${nameOf(this.#repository)}@${target.digest}`,
      signal,
    });
    if (response.status === 200) {
      checkWhole(response, target);
      if (ranged) host.learned.ranges = false;
      return { host, response, skip: offset };
    }
    if (isRangeFrom(offset, response, target)) return { host, response, skip: 0 };
    // Another part than was asked for, or none: whoever does that is asked for everything.
    response.body.cancel();
    host.learned.ranges = false;
    return await this.#open(host, kind, target, offset, signal);
  }
}

function isRangeFrom(offset: number, { status, headers }: WireResponse, { size }: Descriptor): boolean {
  if (status !== 206) return false;
  const range = parseContentRange(headers.get('content-range') ?? '');
  return range?.start === offset && (size === 0 || (range.total ?? size) === size);
}

// The length is looked at before a byte of it is read.
function checkWhole({ headers, body }: WireResponse, { digest, size }: Descriptor): void {
  const length = headers.get('content-length');
  if (length !== undefined && size > 0 && Number(length) !== size) {
    body.cancel();
    const isPage = /^text\/html/i.test(headers.get('content-type') ?? '');
    throw isPage ? pageInstead(digest) : sizeMismatch(digest, size, Number(length), false);
  }
}

function pageInstead(digest: string): DrayError {
  return new DrayError('unavailable', `a page came instead of ${digest}`, {
    hint: 'a proxy or a login page answers in place of the registry',
  });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
