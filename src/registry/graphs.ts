import { readDocument } from '../content/documents.ts';
import type { Provider } from '../content/store.ts';
import { is } from '../errors.ts';
import { hasChildren } from '../images/children.ts';
import { depthLimit } from '../images/handlers.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { childrenOf } from '../spec/documents.ts';

const cacheLimit = 20_000;
const recentLimit = 128;

/** An object, as its parent describes it, and the root that it was found below, of which repository. */
interface Found {
  readonly target: Descriptor;
  readonly root: Digest;
  readonly repository: string;
}

/** The objects that something else than the registry gave names in a repository. */
export interface Roots {
  /** The full name of the repository. */
  readonly repository: string;
  /** The one with a digest. */
  get(digest: Digest): Promise<Descriptor | undefined>;
  /** There may be many thousands. */
  all(): Promise<readonly Descriptor[]>;
}

/**
 * Finds objects below roots that were put into the store by something else than the registry. What a document refers to never
 * changes, so it is remembered; a document that is not there is asked for again the next time.
 */
export class Graphs {
  readonly #provider: Provider;
  readonly #children = new Map<Digest, readonly Descriptor[]>();
  #cached = 0;
  /** Documents that clients got last, the last one behind the others: what they refer to is what is asked for next. */
  readonly #recent = new Map<Digest, Found>();

  constructor(provider: Provider) {
    this.#provider = provider;
  }

  /** The object with this digest at or below one of the roots, as its parent describes it. */
  async find(roots: Roots, digest: Digest): Promise<Descriptor | undefined> {
    const found =
      (await this.#nearby(roots, digest)) ?? (await itself(roots, digest)) ?? (await this.#anywhere(roots, digest));
    if (found !== undefined) this.#note(found);
    return found?.target;
  }

  /** Says that a client got a root by its name. */
  noteRoot(repository: string, target: Descriptor): void {
    this.#note({ target, root: target.digest, repository });
  }

  #note(found: Found): void {
    const { digest, mediaType } = found.target;
    if (!hasChildren(mediaType)) return;
    this.#recent.delete(digest);
    this.#recent.set(digest, found);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > recentLimit && oldest !== undefined) this.#recent.delete(oldest);
  }

  async #nearby(roots: Roots, digest: Digest): Promise<Found | undefined> {
    for (const { target, root, repository } of [...this.#recent.values()].reverse()) {
      if (repository !== roots.repository) continue;
      const child = (await this.#childrenOf(target)).find((one) => one.digest === digest);
      if (child !== undefined && (await roots.get(root)) !== undefined) return { target: child, root, repository };
    }
    return undefined;
  }

  async #anywhere(roots: Roots, digest: Digest): Promise<Found | undefined> {
    for (const root of await roots.all()) {
      const target = await this.#below(root, digest);
      if (target !== undefined) return { target, root: root.digest, repository: roots.repository };
    }
    return undefined;
  }

  async #below(root: Descriptor, digest: Digest): Promise<Descriptor | undefined> {
    const seen = new Set<Digest>();
    let level: readonly Descriptor[] = [root];
    for (let depth = 0; depth <= depthLimit && level.length > 0; depth += 1) {
      const found = level.find((target) => target.digest === digest);
      if (found !== undefined) return found;
      const next: Descriptor[] = [];
      for (const target of level) {
        if (seen.has(target.digest) || !hasChildren(target.mediaType)) continue;
        seen.add(target.digest);
        next.push(...(await this.#childrenOf(target)));
      }
      level = next;
    }
    return undefined;
  }

  async #childrenOf(target: Descriptor): Promise<readonly Descriptor[]> {
    const known = this.#children.get(target.digest);
    if (known !== undefined) return known;
    try {
      const children = childrenOf(target.mediaType, await readDocument(this.#provider, target));
      this.#remember(target.digest, children);
      return children;
    } catch (error) {
      // What cannot be read leads nowhere; whoever asks for it itself is told why.
      if (is(error, 'not-found') || is(error, 'data-loss') || is(error, 'invalid-argument')) return [];
      throw error;
    }
  }

  #remember(digest: Digest, children: readonly Descriptor[]): void {
    this.#cached += children.length + 1;
    if (this.#cached > cacheLimit) {
      this.#children.clear();
      this.#cached = children.length + 1;
    }
    this.#children.set(digest, children);
  }
}

async function itself(roots: Roots, digest: Digest): Promise<Found | undefined> {
  const target = await roots.get(digest);
  return target && { target, root: digest, repository: roots.repository };
}
