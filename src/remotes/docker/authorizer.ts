import { createHash } from 'node:crypto';
import { unlessAborted } from '../../content/abort.ts';
import { is, withContext } from '../../errors.ts';
import { areRelated } from './addresses.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { CredentialSource, Credentials } from './credentials.ts';
import { coversScopes, isReadOnly, mergeScopes, splitScopes } from './scopes.ts';
import type { Secret } from './secret.ts';
import { type Token, TokenCache } from './token-cache.ts';
import { basicHeader, exchangeToken, type Grant, type Realm, type SendToRealm } from './token-exchange.ts';
import type { WireResponse } from './transport.ts';

/** What a request needs the right for. */
export interface Need {
  readonly scopes: readonly string[];
  readonly repository?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a request carried. */
export interface Authorization {
  readonly header: string;
  readonly credentials: Credentials | undefined;
  readonly token?: Token | undefined;
}

/** How an {@link Authorizer} reaches the world. */
export interface AuthorizerOptions {
  /** The registry as credentials know it. */
  readonly registry: string;
  readonly source: CredentialSource;
  readonly send: SendToRealm;
  /** The realm of a challenge as a URL that may be asked. @throws DrayError when it may not. */
  readonly realmUrl: (realm: string, base: URL) => Promise<URL>;
  /** Credentials that are refused are an error for readers as well. */
  readonly strict?: boolean | undefined;
  /** Aborted when nobody waits for credentials any more. */
  readonly closed: AbortSignal;
  /** Something usual did not work. */
  readonly tell: (text: string) => void;
}

/** Credentials that are there and could not be read. */
class Unreadable {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

interface CachedCredentials {
  readonly found: Promise<Credentials | undefined | Unreadable>;
  readonly at: number;
}

const credentialsLifetime = 5 * 60_000;

/**
 * Authorises requests to one server: learns from challenges what it wants, gets tokens once for all who need them and keeps
 * them while they live.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  /** The token server that was named last, and to whom: it is taken to be that of other repositories as well. */
  #latest: { readonly realm: Realm; readonly identity: string } | undefined;
  /** The token servers that were named for single repositories. */
  readonly #realms = new Map<string, Realm>();
  #basic = false;
  #basicOffered = false;
  readonly #credentials = new Map<string, CachedCredentials>();
  readonly #tokens = new TokenCache();
  readonly #refreshTokens = new Map<string, Secret>();
  /** Credentials that the token server has turned down, and when. */
  readonly #rejected = new Map<string, number>();
  readonly #strangers = new Set<string>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Whether the server has said what it wants. */
  get isChallenged(): boolean {
    return this.#basic || this.#latest !== undefined || this.#realms.size > 0;
  }

  /** What to send along, as far as is known: nothing before the first challenge. */
  async authorize(need: Need): Promise<Authorization | undefined> {
    const credentials = await this.credentials(need);
    if (credentials?.registryToken !== undefined) {
      return { header: `Bearer ${credentials.registryToken.reveal()}`, credentials };
    }
    const own = this.#realms.get(need.repository ?? '');
    const latest = this.#latest?.identity === identityOf(credentials) ? this.#latest.realm : undefined;
    const realm = own ?? latest;
    if (realm === undefined) return this.#basic ? basicOf(credentials) : undefined;
    try {
      return await this.#bearer(realm, need, credentials);
    } catch (error) {
      // One host may have several behind it: which is that of this repository, it is asked itself.
      if (own !== undefined || !isTurnedDown(error)) throw error;
      return undefined;
    }
  }

  /** The credentials for what is needed. A source that fails leaves a reader anonymous and stops a writer. */
  async credentials({ repository, signal, scopes }: Need): Promise<Credentials | undefined> {
    const key = repository ?? '';
    const now = performance.now();
    const cached = this.#credentials.get(key);
    const known =
      cached !== undefined && now - cached.at < credentialsLifetime ? cached : this.#lookUp(repository, now);
    this.#credentials.set(key, known);
    const found = await unlessAborted(known.found, signal);
    if (!(found instanceof Unreadable)) return found;
    if (!this.#mayReadWithout(scopes)) throw found.cause;
    return undefined;
  }

  #lookUp(repository: string | undefined, now: number): CachedCredentials {
    const { source, registry, closed, tell } = this.#options;
    const ask = async (): Promise<Credentials | undefined> => await source.get(registry, repository, closed);
    const found = ask().catch((error: unknown) => {
      if (closed.aborted) return new Unreadable(error);
      tell(`no credentials: ${error instanceof Error ? error.message : error}`);
      // A failure of the source, not of the connection.
      return new Unreadable(withContext(error, { registry, step: 'look up credentials' }));
    });
    return { found, at: now };
  }

  /**
   * Learns from a 401. Returns what to ask for when the request is sent again; undefined when that would not help: a token
   * that was fetched after `startedAt` and asked for enough is not turned down for its age.
   * @throws DrayError when the server names a token server that must not be asked.
   */
  async learn(
    response: WireResponse,
    sent: Authorization | undefined,
    need: Need,
    startedAt: number,
  ): Promise<Need | undefined> {
    const challenges = parseChallenges(response.headers.all('www-authenticate'));
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
    const basic = challenges.some(({ scheme }) => scheme === 'basic');
    this.#basicOffered = basic;
    if (sent?.credentials?.registryToken !== undefined) return undefined;
    if (bearer !== undefined && !(basic && (await this.#prefersBasic(need)))) {
      return await this.#learnBearer(bearer, response.url, sent, need, startedAt);
    }
    return basic ? await this.#learnBasic(sent, need) : undefined;
  }

  async #learnBearer(
    { parameters }: Challenge,
    base: URL,
    sent: Authorization | undefined,
    need: Need,
    startedAt: number,
  ): Promise<Need | undefined> {
    const url = await this.#options.realmUrl(parameters.get('realm') ?? '', base);
    const realm = { url, service: parameters.get('service') };
    this.#latest = { realm, identity: identityOf(await this.credentials(need)) };
    this.#realms.set(need.repository ?? '', realm);
    const asked = splitScopes(parameters.get('scope'));
    // What is missing goes first: some token servers read only the first scope.
    const scopes = coversScopes(need.scopes, asked) ? need.scopes : mergeScopes(asked, need.scopes);
    const { token } = sent ?? {};
    if (token !== undefined) {
      const wasEnough = coversScopes(token.scopes, scopes);
      this.#tokens.forget(token);
      if (wasEnough && token.fetchedAt >= startedAt) return undefined;
    }
    return { ...need, scopes };
  }

  async #learnBasic(sent: Authorization | undefined, need: Need): Promise<Need | undefined> {
    this.#turnToBasic(need);
    if (sent === undefined) return basicOf(await this.credentials(need)) === undefined ? undefined : need;
    // Helpers give passwords that expire.
    this.#credentials.delete(need.repository ?? '');
    const again = basicOf(await this.credentials(need));
    return again === undefined || again.header === sent.header ? undefined : need;
  }

  // Where both are offered, Basic is for those whom the token server has turned down.
  async #prefersBasic(need: Need): Promise<boolean> {
    const credentials = await this.credentials(need);
    return this.#isRejected(identityOf(credentials)) && basicOf(credentials) !== undefined;
  }

  #isRejected(identity: string): boolean {
    return performance.now() - (this.#rejected.get(identity) ?? Number.NEGATIVE_INFINITY) < credentialsLifetime;
  }

  async #bearer(realm: Realm, need: Need, credentials: Credentials | undefined): Promise<Authorization> {
    const identity = identityOf(credentials);
    try {
      const ask = (): Promise<Grant> => this.#askAsAllowed(realm, need.scopes, credentials);
      const token = await this.#tokens.get(identity, need.scopes, ask, need.signal);
      return { header: `Bearer ${token.secret.reveal()}`, credentials: token.credentials, token };
    } catch (error) {
      // What gives no tokens may have been named by mistake: the next request asks the registry again.
      if (!isTurnedDown(error) && need.signal?.aborted !== true) this.#forgetRealm(need);
      const password = isTurnedDown(error) ? this.#offered(credentials) : undefined;
      if (password === undefined) throw error;
      this.#rejected.set(identity, performance.now());
      this.#turnToBasic(need);
      return password;
    }
  }

  #turnToBasic(need: Need): void {
    this.#forgetRealm(need);
    this.#basic = true;
  }

  #forgetRealm({ repository = '' }: Need): void {
    this.#latest = undefined;
    this.#realms.delete(repository);
  }

  /** What to send to a server that takes passwords itself. */
  #offered(credentials: Credentials | undefined): Authorization | undefined {
    return this.#basicOffered ? basicOf(credentials) : undefined;
  }

  #mayReadWithout(scopes: readonly string[]): boolean {
    return this.#options.strict !== true && isReadOnly(scopes);
  }

  // Reading goes on without credentials that are refused. Only of somebody who is nobody there is that true for every repository.
  async #askAsAllowed(realm: Realm, scopes: readonly string[], credentials: Credentials | undefined): Promise<Grant> {
    const isNeeded = !this.#mayReadWithout(scopes) || this.#offered(credentials) !== undefined;
    if (credentials === undefined || isNeeded) return await this.#ask(realm, scopes, credentials);
    const identity = identityOf(credentials);
    if (!this.#isRejected(identity)) {
      try {
        return await this.#ask(realm, scopes, credentials);
      } catch (error) {
        if (!isTurnedDown(error)) throw error;
        if (is(error, 'unauthenticated')) this.#rejected.set(identity, performance.now());
        this.#options.tell(
          `reading without credentials, since the token server refused those of ${credentials.source}`,
        );
      }
    }
    return await this.#ask(realm, scopes, undefined);
  }

  async #ask(realm: Realm, scopes: readonly string[], credentials: Credentials | undefined): Promise<Grant> {
    if (credentials === undefined) return await exchangeToken(this.#options.send, realm, scopes);
    this.#noteStranger(realm);
    const identity = identityOf(credentials);
    const refreshToken = this.#refreshTokens.get(identity);
    const grant = await exchangeToken(this.#options.send, realm, scopes, credentials, refreshToken);
    if (grant.refreshToken !== undefined) this.#refreshTokens.set(identity, grant.refreshToken);
    return grant;
  }

  // Registries may have their token server anywhere; whose password it gets should know.
  #noteStranger({ url }: Realm): void {
    const { registry, tell } = this.#options;
    if (this.#strangers.has(url.host) || areRelated(url.hostname, registry.replace(/:\d+$/, ''))) return;
    this.#strangers.add(url.host);
    tell(`it has its users checked by ${url.host}, which gets the credentials`);
  }
}

function isTurnedDown(error: unknown): boolean {
  return (is(error, 'unauthenticated') || is(error, 'permission-denied')) && error.reason === undefined;
}

function basicOf(credentials: Credentials | undefined): Authorization | undefined {
  const { username, password } = credentials ?? {};
  if (username === undefined || password === undefined) return undefined;
  return { header: basicHeader(username, password), credentials };
}

// Equal credentials share tokens, wherever they were found.
function identityOf(credentials: Credentials | undefined): string {
  if (credentials === undefined) return '';
  const { username = '', password, identityToken } = credentials;
  const hash = createHash('sha256');
  for (const part of [username, password?.reveal() ?? '', identityToken?.reveal() ?? '']) hash.update(`${part}\0`);
  return hash.digest('base64');
}
