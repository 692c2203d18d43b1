import { readDocument } from '../content/documents.ts';
import type { AbortableOptions, Provider } from '../content/store.ts';
import { is } from '../errors.ts';
import { hasChildren } from '../images/children.ts';
import { depthLimit } from '../images/handlers.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { childrenOf } from '../spec/documents.ts';

const cacheLimit = 20_000;

/**
 * Finds objects below a root that was put into the store by something else than the registry. What a document refers to never
 * changes, so it is remembered; a document that is not there is asked for again the next time.
 */
export class Graphs {
  readonly #provider: Provider;
  readonly #children = new Map<Digest, readonly Descriptor[]>();
  #cached = 0;

  constructor(provider: Provider) {
    this.#provider = provider;
  }

  /** The object with this digest at or below the root, as its parent describes it. */
  async find(root: Descriptor, digest: Digest, options: AbortableOptions = {}): Promise<Descriptor | undefined> {
    const seen = new Set<Digest>();
    let level: readonly Descriptor[] = [root];
    for (let depth = 0; depth <= depthLimit && level.length > 0; depth += 1) {
      const next: Descriptor[] = [];
      for (const target of level) {
        if (target.digest === digest) return target;
        if (seen.has(target.digest) || !hasChildren(target.mediaType)) continue;
        seen.add(target.digest);
        next.push(...(await this.#childrenOf(target, options)));
      }
      level = next;
    }
    return undefined;
  }

  async #childrenOf(target: Descriptor, options: AbortableOptions): Promise<readonly Descriptor[]> {
    const known = this.#children.get(target.digest);
    if (known !== undefined) return known;
    try {
      const children = childrenOf(target.mediaType, await readDocument(this.#provider, target, options));
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
