import { setTimeout as sleep } from 'node:timers/promises';
import { openBytes } from '../content/bytes.ts';
import { type Fetcher, onceMoreIfWrong, pusherOf } from '../content/copy.ts';
import { collectDocument } from '../content/documents.ts';
import { expiryLabel, expiryOf } from '../content/labels.ts';
import { because, DrayError, type ErrorKind, ifFound, is } from '../errors.ts';
import { childLabels } from '../images/labels.ts';
import type { Resolver } from '../remotes/remote.ts';
import { createOrUpdate } from '../services/create-or-update.ts';
import type { Services } from '../services/services.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { childrenOf } from '../spec/documents.ts';
import { isManifestLike } from '../spec/media-types.ts';
import { isForbiddenHere, isRefusal, refusal } from './codes.ts';
import { Fill } from './fill.ts';
import type { Holds } from './holds.ts';
import type { RepositoryName } from './names.ts';
import type { Repository } from './repository.ts';

/** A registry that is asked for what the store does not have. */
export interface UpstreamOptions {
  /** Asks it, with credentials of its own; those of clients are never passed on. */
  readonly resolver: Resolver;
  /** Host part of the names of the repositories that are its: `docker.io`. Paths without a host mean these. */
  readonly host: string;
  /** Milliseconds for which the answer to what a tag means is used again; 0, if not said, asks every time. */
  readonly freshness?: number | undefined;
  /**
   * Milliseconds that a client waits to hear what a tag means, when it is known what it meant the last time; 5 seconds if not
   * said. The upstream is waited for even so, for the next client.
   */
  readonly patience?: number | undefined;
}

/** A manifest that was found, and whether it is what the upstream says at the moment. */
export interface FoundUpstream {
  readonly target: Descriptor;
  readonly stale: boolean;
}

const rememberedTags = 10_000;
const defaultPatience = 5_000;

/**
 * Brings manifests and blobs of another registry into the store when a client asks for them. They become images there, as if
 * they had been pulled. Several who ask for the same thing share one transfer, which goes on when they go away. When the
 * upstream cannot be asked or takes long to answer, a tag means what it meant the last time.
 */
export class Upstream implements AsyncDisposable {
  readonly #options: UpstreamOptions;
  readonly #services: Services;
  readonly #holds: Holds;
  readonly #stop = new AbortController();
  readonly #flights = new Map<string, Promise<FoundUpstream | undefined>>();
  readonly #fills = new Map<Digest, Fill>();
  readonly #checked = new Map<string, number>();

  constructor(options: UpstreamOptions, services: Services, holds: Holds) {
    this.#options = options;
    this.#services = services;
    this.#holds = holds;
  }

  /** Whether a repository is the upstream's. Nothing can be pushed to those. */
  serves(name: RepositoryName): boolean {
    return name.domain === this.#options.host;
  }

  /** What a tag means, brought into the store. Undefined when the upstream has no such tag. */
  async byTag(repository: Repository, tag: string): Promise<FoundUpstream | undefined> {
    const key = `${repository.name.full}:${tag}`;
    const asked = this.#checked.get(key);
    if (asked !== undefined && performance.now() - asked < (this.#options.freshness ?? 0)) {
      const target = await repository.resolve(tag);
      if (target !== undefined) return { target, stale: false };
    }
    return await this.#orKnown(
      this.#share(key, () => this.#byTag(repository, tag, key)),
      repository,
      tag,
    );
  }

  async #orKnown(
    answer: Promise<FoundUpstream | undefined>,
    repository: Repository,
    tag: string,
  ): Promise<FoundUpstream | undefined> {
    const answered = new AbortController();
    const late = async (): Promise<FoundUpstream | undefined> => {
      await sleep(this.#options.patience ?? defaultPatience, undefined, { signal: answered.signal });
      const target = await repository.resolve(tag);
      return target === undefined ? await answer : { target, stale: true };
    };
    try {
      return await Promise.race([answer, late()]);
    } finally {
      answered.abort();
    }
  }

  async #byTag(repository: Repository, tag: string, key: string): Promise<FoundUpstream | undefined> {
    const { signal } = this.#stop;
    const known = await repository.resolve(tag);
    try {
      const { target } = await this.#options.resolver.resolve(key, { signal });
      if (target.digest !== known?.digest) {
        if (known !== undefined) await this.#keepAwhile(repository, known);
        await this.#bring(repository, target, key, true);
      }
      if (this.#checked.size >= rememberedTags) this.#checked.clear();
      this.#checked.set(key, performance.now());
      return { target, stale: false };
    } catch (error) {
      if (is(error, 'not-found')) return undefined;
      if (known === undefined || !isAway(error)) throw upstreamFailed(error, this.#options.host);
      return { target: known, stale: true };
    }
  }

  // Whoever was told of it before its tag moved is about to ask for what it names.
  async #keepAwhile(repository: Repository, target: Descriptor): Promise<void> {
    const { images } = this.#services;
    const name = `${repository.name.full}@${target.digest}`;
    const there = await ifFound(images.get(name));
    if (there !== undefined && expiryOf(there.labels) === undefined) return;
    await createOrUpdate(images, { name, target, labels: expiryLabel(this.#holds.endOfGrace()) });
  }

  /** A manifest by digest, brought into the store. Undefined when the upstream has none. */
  async byDigest(repository: Repository, digest: Digest): Promise<FoundUpstream | undefined> {
    const known = await repository.manifest(digest);
    if (known !== undefined) return { target: known, stale: false };
    const key = `${repository.name.full}@${digest}`;
    return await this.#share(key, () => this.#byDigest(repository, digest, key));
  }

  async #byDigest(repository: Repository, digest: Digest, key: string): Promise<FoundUpstream | undefined> {
    try {
      const described = await repository.described(digest);
      const target = described ?? (await this.#options.resolver.resolve(key, { signal: this.#stop.signal })).target;
      if (!isManifestLike(target.mediaType)) return undefined;
      // What an index names needs no name of its own.
      await this.#bring(repository, target, key, described === undefined);
      return { target, stale: false };
    } catch (error) {
      if (is(error, 'not-found')) return undefined;
      throw upstreamFailed(error, this.#options.host);
    }
  }

  // Held until it has a name, so that a collection in between does not take it.
  async #bring(repository: Repository, target: Descriptor, name: string, isNamed: boolean): Promise<void> {
    if (!isManifestLike(target.mediaType)) throw refusal('MANIFEST_INVALID', `${name} is no manifest`);
    const { signal } = this.#stop;
    const { content, images } = this.#services;
    await this.#holds.arriving(repository.name.full, target.digest);
    const fetcher = await this.#options.resolver.fetcher(name, { signal });
    const bytes = await onceMoreIfWrong(async (distrust) =>
      collectDocument(await fetcher.fetch(target, { distrust, signal }), target, { signal }),
    );
    const labels = childLabels(childrenOf(target.mediaType, bytes));
    await pusherOf(content).push(target, openBytes(bytes), { labels, signal });
    if (isNamed) await createOrUpdate(images, { name, target });
  }

  /**
   * The transfer that brings a blob into the store; undefined when no manifest in the store names it, since then it is not
   * known how large it is or whether it is the repository's at all.
   */
  async blob(repository: Repository, digest: Digest): Promise<Fill | undefined> {
    const target = await repository.described(digest);
    if (target === undefined) return undefined;
    const known = this.#fills.get(digest);
    if (known !== undefined) return known;
    await this.#holds.arriving(repository.name.full, digest);
    return this.#fills.get(digest) ?? this.#fill(repository, target);
  }

  #fill(repository: Repository, target: Descriptor): Fill {
    const { signal } = this.#stop;
    const open = (): Promise<Fetcher> =>
      this.#options.resolver.fetcher(`${repository.name.full}@${target.digest}`, { signal });
    const fill = new Fill(this.#services.content, target, open, signal);
    this.#fills.set(target.digest, fill);
    const forget = (): void => void this.#fills.delete(target.digest);
    fill.done.then(forget, forget);
    return fill;
  }

  async #share(key: string, run: () => Promise<FoundUpstream | undefined>): Promise<FoundUpstream | undefined> {
    const known = this.#flights.get(key);
    if (known !== undefined) return known;
    const flight = run().finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  /** Ends the transfers; what has come of them stays, and the next one goes on from it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new DrayError('unavailable', 'the registry is closing'));
    await Promise.allSettled([...this.#flights.values(), ...[...this.#fills.values()].map(({ done }) => done)]);
  }
}

const awayKinds: readonly ErrorKind[] = ['unavailable', 'deadline-exceeded', 'resource-exhausted', 'unknown'];

function isAway(error: unknown): boolean {
  return error instanceof DrayError && awayKinds.includes(error.kind);
}

/** What a client is told when the upstream cannot give what it asked for. */
export function upstreamFailed(error: unknown, host: string): unknown {
  if (isRefusal(error) || isForbiddenHere(error)) return error;
  if (is(error, 'not-found')) return refusal('BLOB_UNKNOWN', `${host} does not have it`, { cause: error });
  if (is(error, 'unauthenticated') || is(error, 'permission-denied')) {
    return refusal('DENIED', `${host} refuses it to this registry`, { cause: error });
  }
  if (because(error, 'rate-limited')) {
    return refusal('TOOMANYREQUESTS', `${host} asks for fewer requests`, { cause: error });
  }
  if (isAway(error)) return refusal('UNAVAILABLE', `${host} cannot be asked at the moment`, { cause: error });
  return refusal('UNAVAILABLE', `${host} gave something else than was asked for`, { status: 502, cause: error });
}
