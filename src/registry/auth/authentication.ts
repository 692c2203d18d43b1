import type { AbortableOptions } from '../../content/store.ts';

/** Something that a request wants to do, as scopes of tokens say it: `repository:app:pull`, `registry:catalog:*`. */
export interface Access {
  readonly type: 'repository' | 'registry';
  /** Name of the repository as URLs have it, or `catalog` and `metrics` of the registry. */
  readonly name: string;
  readonly action: 'pull' | 'push' | 'delete' | '*';
}

/** Somebody the registry knows. */
export interface Identity {
  /** For the log; never a secret. */
  readonly name: string;
  allows(access: Access): boolean;
}

/** Says who sends a request. {@link htpasswd} and {@link tokens} are two; a function of the caller's own may be another. */
export interface Authentication {
  /**
   * Who it is by the `Authorization` header; undefined for nobody, or for somebody who could not prove it. The signal fires when
   * nobody waits for the answer any more.
   */
  identify(authorization: string | undefined, options?: AbortableOptions): Promise<Identity | undefined>;
  /** The `WWW-Authenticate` header for somebody unknown, or for somebody known who may not do that. */
  challenge(needed: readonly Access[], identity: Identity | undefined): string;
  /** Whether another credential may give more, so that a known identity is challenged again (401) instead of refused (403). */
  readonly scoped: boolean;
}

/** Everybody, when nobody is asked who they are. */
export const everybody: Identity = { name: '-', allows: () => true };
