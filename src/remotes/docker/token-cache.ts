import { unlessAborted } from '../../content/abort.ts';
import type { Credentials } from './credentials.ts';
import { coversScopes } from './scopes.ts';
import type { Secret } from './secret.ts';
import type { Grant } from './token-exchange.ts';

/** A token and what it was asked for. */
export interface Token {
  readonly secret: Secret;
  readonly scopes: readonly string[];
  /** What it was given for: a reader may have got it without. */
  readonly credentials: Credentials | undefined;
  /** On the monotonic clock; wrong wall clocks are met more often than wrong lifetimes. */
  readonly expiresAt: number;
  readonly fetchedAt: number;
}

/** Tokens that are kept for one identity. */
const tokenLimit = 256;

/** The tokens of one server, kept while they live; each is asked for once for all who need it. */
export class TokenCache {
  readonly #tokens = new Map<string, readonly Token[]>();
  readonly #pending = new Map<string, Promise<Token>>();

  /** A token of an identity for these scopes or more; `ask` gets one where there is none. @throws what `ask` does. */
  async get(
    identity: string,
    scopes: readonly string[],
    ask: () => Promise<Grant>,
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const now = performance.now();
    const alive = (this.#tokens.get(identity) ?? []).filter(({ expiresAt }) => expiresAt > now);
    this.#tokens.set(identity, alive.slice(-tokenLimit));
    const known = alive.findLast((token) => coversScopes(token.scopes, scopes));
    if (known !== undefined) return known;
    const key = `${identity} ${[...scopes].sort().join(' ')}`;
    const pending = this.#pending.get(key) ?? this.#add(identity, scopes, ask);
    this.#pending.set(key, pending);
    // Whoever waits may give up, the others still want the token.
    const forget = (): boolean => this.#pending.delete(key);
    pending.then(forget, forget);
    return await unlessAborted(pending, signal);
  }

  async #add(identity: string, scopes: readonly string[], ask: () => Promise<Grant>): Promise<Token> {
    const token = tokenOf(await ask(), scopes);
    this.#tokens.set(identity, [...(this.#tokens.get(identity) ?? []), token]);
    return token;
  }

  /** Gives a token up that was refused. */
  forget(token: Token): void {
    for (const [identity, tokens] of this.#tokens) {
      this.#tokens.set(
        identity,
        tokens.filter((other) => other !== token),
      );
    }
  }
}

function tokenOf({ token, lifetime, credentials }: Grant, scopes: readonly string[]): Token {
  const now = performance.now();
  // Renewed early, so that none expires on its way.
  const reserve = Math.min(60_000, lifetime / 5);
  return { secret: token, scopes, credentials, fetchedAt: now, expiresAt: now + lifetime - reserve };
}
