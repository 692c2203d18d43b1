import type { Fetcher, Pusher } from '../content/copy.ts';
import type { AbortableOptions } from '../content/store.ts';
import type { Descriptor } from '../spec/descriptor.ts';

/** What a reference stands for at this moment. */
export interface Resolved {
  /** The reference in its canonical spelling, as {@link Resolver.fetcher} and {@link Resolver.pusher} take it. */
  readonly name: string;
  readonly target: Descriptor;
}

/** Options of {@link Resolver.pusher}. */
export interface PusherOptions extends AbortableOptions {
  /**
   * Repositories of the same registry that may hold a blob, as paths within it (`library/redis`), best first, so that it can
   * be mounted instead of sent.
   */
  readonly mountFrom?: ((target: Descriptor) => Promise<readonly string[]>) | undefined;
  /** More tags for the root, besides the one in the name. */
  readonly tags?: readonly string[] | undefined;
}

/** Where images are named: a registry, or anything that acts like one. */
export interface Resolver {
  /**
   * What a reference stands for.
   * @throws DrayError `invalid-argument` for a malformed one; `not-found`; `unauthenticated`, `permission-denied`,
   * `unavailable`, `resource-exhausted` with reason `rate-limited`.
   */
  resolve(reference: string, options?: AbortableOptions): Promise<Resolved>;
  /** Reads from the repository of a reference. */
  fetcher(reference: string, options?: AbortableOptions): Promise<Fetcher>;
  /**
   * Writes to the repository of a reference. When it names a tag and a digest, the object with that digest gets the tag; with
   * a tag alone every manifest that is pushed gets it; with a digest alone nothing is tagged.
   */
  pusher(reference: string, options?: PusherOptions): Promise<Pusher>;
}
