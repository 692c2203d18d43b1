import type { AbortableOptions } from '../content/store.ts';
import type { ReferrersOptions } from '../remotes/docker/registry-client.ts';
import type { Resolver } from '../remotes/remote.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { formatReference, parseReference, pinned, type Reference } from '../spec/reference.ts';
import type { Origin, Place, Source, Target, TargetOptions } from './place.ts';

/** Lists what refers to a reference with a digest. */
export type ListReferrers = (reference: string, options?: ReferrersOptions) => AsyncIterable<Descriptor>;

/** A reference in a registry. */
export class RegistryPlace implements Place {
  readonly kind = 'registry';
  readonly name: string;
  readonly #reference: Reference;
  readonly #resolver: Resolver;

  readonly #referrers: ListReferrers | undefined;

  /** @throws DrayError `invalid-argument` for a malformed reference. */
  constructor(resolver: Resolver, name: string, referrers?: ListReferrers) {
    this.#referrers = referrers;
    this.#reference = parseReference(name);
    this.#resolver = resolver;
    this.name = formatReference(this.#reference);
  }

  async source(options: AbortableOptions = {}): Promise<Source> {
    const { name, target } = await this.#resolver.resolve(this.name, options);
    // From here on only the digest counts: a tag may move while its image is read.
    const fetcher = await this.#resolver.fetcher(pinned(this.#reference, target.digest), options);
    const listed = this.#referrers;
    const referrers =
      listed && ((subject: Descriptor, how?: ReferrersOptions) => listed(pinned(this.#reference, subject.digest), how));
    return { name, root: target, fetcher, origin: this.#origin, referrers, async [Symbol.asyncDispose]() {} };
  }

  async target({ source, tags, root, signal }: TargetOptions): Promise<Target> {
    const { domain, path, tag, digest } = this.#reference;
    const named = formatReference({
      domain,
      path,
      ...(tag === undefined ? {} : { tag }),
      digest: digest ?? root.digest,
    });
    const mountFrom = (target: Descriptor): Promise<readonly string[]> => this.#mountFrom(source, target);
    const pusher = await this.#resolver.pusher(named, { tags, mountFrom, signal });
    return {
      pusher,
      // The tag came with the root itself.
      finish: async (target) => pinned(this.#reference, target.digest),
      async [Symbol.asyncDispose]() {},
    };
  }

  async #mountFrom(source: Source, target: Descriptor): Promise<readonly string[]> {
    const { authority, host, repository } = this.#origin;
    const from = source.origin?.authority === authority ? [source.origin.repository] : [];
    const held = (await source.heldBy?.(target, host)) ?? [];
    const ranked = [...held].sort((a, b) => sharedPath(b, repository) - sharedPath(a, repository));
    return [...from, ...ranked].filter((candidate) => candidate !== repository);
  }

  get #origin(): Origin {
    const { domain, path } = this.#reference;
    return { host: domain.replace(/:\d+$/, ''), authority: domain, repository: path };
  }
}

// Repositories of one project are more likely to be readable with the same rights.
function sharedPath(one: string, other: string): number {
  const [parts, others] = [one.split('/'), other.split('/')];
  const end = parts.findIndex((part, index) => part !== others[index]);
  return end === -1 ? parts.length : end;
}
