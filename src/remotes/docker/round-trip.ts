import { DrayError, type ErrorContext } from '../../errors.ts';
import type { Authorization, Need } from './authorizer.ts';
import { isUnknownAuthority } from './connection-errors.ts';
import type { HostRequest } from './host-request.ts';
import type { HostState } from './host-state.ts';
import { noteManners } from './manners.ts';
import { redactedUrl } from './secret.ts';
import type { WireRequest, WireResponse } from './transport.ts';

const redirectLimit = 10;

/** How often a request is sent again because the server wants other credentials. */
const challengeLimit = 3;

/**
 * A request on its way to the server that answers it: redirects are followed, and who asks for credentials gets its own. What
 * was learned of credentials in one attempt counts in the next.
 */
export class RoundTrip {
  readonly #host: HostState;
  readonly #request: HostRequest;
  readonly #context: () => ErrorContext;
  /** When the latest attempt began. */
  #startedAt = 0;
  #challenges = 0;
  readonly #needs = new Map<HostState, Need>();
  #sent: Authorization | undefined;

  /** `context` is what an error has to say. */
  constructor(host: HostState, request: HostRequest, context: () => ErrorContext) {
    this.#host = host;
    this.#request = request;
    this.#context = context;
    const { scopes, signal } = request;
    const repository = request.repository === undefined ? undefined : host.repositoryName(request.repository);
    this.#needs.set(host, { scopes, repository, signal });
  }

  /** What the host itself was sent last. */
  get sent(): Authorization | undefined {
    return this.#sent;
  }

  /**
   * Makes one attempt.
   * @throws DrayError `permission-denied`, reason `policy`, for a redirect that is not followed; what the transport throws.
   */
  async run(): Promise<WireResponse> {
    this.#startedAt = performance.now();
    let at = this.#host;
    let url = this.#request.url;
    // The first root may turn out to be the wrong one of two.
    if (url.origin === at.config.root.origin && url.origin !== at.root.origin) url = rebased(url, at.root);
    for (let hops = 0; ; hops += 1) {
      const response = await this.#authorized(at, url);
      const location = response.headers.get('location');
      if (!isRedirect(response.status) || location === undefined) return response;
      await response.body.discard();
      if (hops >= redirectLimit) throw this.#refuse(`it redirects more than ${redirectLimit} times`);
      url = await at.guard(location, url, 'redirect');
      at = await this.#next(at, url);
    }
  }

  async #next(at: HostState, url: URL): Promise<HostState> {
    const next = await at.at(url);
    if (next === at || next === this.#host) return next;
    if (this.#request.withinOrigin === true) throw this.#refuse(`it redirects to ${url.host}`);
    return next;
  }

  async #authorized(at: HostState, url: URL): Promise<WireResponse> {
    for (;;) {
      const own = this.#request.credentials === 'none' ? undefined : await at.authorizer.authorize(this.#needAt(at));
      if (at === this.#host) this.#sent = own;
      const response = await this.#send(at, url, own);
      const challenge = await this.#challengeOf(at, response, own);
      if (challenge === undefined || this.#challenges >= challengeLimit) return response;
      this.#challenges += 1;
      const need = await at.authorizer.learn(challenge, own, this.#needAt(at), this.#startedAt);
      if (need === undefined) return response;
      this.#needs.set(at, need);
      await response.body.discard();
    }
  }

  // Some hide what they have from strangers without asking who they are: those are asked what they want.
  async #challengeOf(
    at: HostState,
    response: WireResponse,
    own: Authorization | undefined,
  ): Promise<WireResponse | undefined> {
    const { method, credentials, signal } = this.#request;
    if (credentials === 'none') return undefined;
    if (response.status === 401) return response;
    const hidden = [403, 404].includes(response.status) && (method === 'GET' || method === 'HEAD');
    const isStranger = own === undefined && !at.authorizer.isChallenged && at.learned.lookedForChallenge !== true;
    if (!hidden || !isStranger || (await at.authorizer.credentials(this.#needAt(at))) === undefined) return undefined;
    at.learned.lookedForChallenge = true;
    const request = { method: 'GET', url: at.url(''), scopes: [], expect: 'any', credentials: 'none', signal } as const;
    const answer = await new RoundTrip(at, request, this.#context).run();
    await answer.body.discard();
    // Whoever else it led to says what that one wants.
    return answer.status === 401 && answer.url.origin === at.root.origin ? answer : undefined;
  }

  // What a server elsewhere wants is between it and nobody: it has no credentials, and its own scopes.
  #needAt(at: HostState): Need {
    return this.#needs.get(at) ?? { scopes: [], signal: this.#request.signal };
  }

  async #send(at: HostState, url: URL, authorization: Authorization | undefined): Promise<WireResponse> {
    const { context, config, connection } = at;
    const { method, body, headers = {}, signal } = this.#request;
    const sameServer = at === this.#host;
    const started = performance.now();
    const event = { type: 'request', registry: at.registry, request: `${method} ${redactedUrl(url)}` } as const;
    const wire: WireRequest = {
      method,
      url,
      headers: {
        'user-agent': context.userAgent,
        ...(sameServer ? config.headers : {}),
        // Lengths and digests are those of the bytes themselves, and nothing here decodes.
        'accept-encoding': 'identity',
        ...(sameServer ? headers : withoutCredentials(headers)),
        ...(authorization === undefined ? {} : { authorization: authorization.header }),
      },
      body: typeof body === 'function' ? body() : body,
      headersTimeout: this.#request.commits === true ? context.timeouts.commit : context.timeouts.headers,
      stallTimeout: context.timeouts.stall,
      signal,
    };
    try {
      const response = await context.transport.send(wire, connection);
      if (response.status !== 400) at.settle();
      context.emit({ ...event, status: response.status, duration: performance.now() - started });
      noteManners(at, response.headers);
      return response;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      context.emit({ ...event, error: text, duration: performance.now() - started });
      if (isUnknownAuthority(error) && at.trySystemAuthorities(connection))
        return await this.#send(at, url, authorization);
      throw error;
    }
  }

  #refuse(problem: string): DrayError {
    return new DrayError('permission-denied', `${this.#host.registry} is not followed: ${problem}`, {
      ...this.#context(),
      reason: 'policy',
      hint: 'the registry is misconfigured, or it is not what it says it is',
    });
  }
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

function rebased(url: URL, root: URL): URL {
  return new URL(`${root.origin}${url.pathname}${url.search}`);
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(authorization|cookie)$/i.test(name)));
}
