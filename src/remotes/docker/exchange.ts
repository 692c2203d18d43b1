import { DrayError, type ErrorContext, withContext } from '../../errors.ts';
import type { Authorization, Need } from './authorizer.ts';
import {
  connectionError,
  errorFrom,
  isTransient,
  isTransientStatus,
  isUnknownAuthority,
  isUnreachable,
} from './errors.ts';
import type { HostState } from './host-state.ts';
import { noteManners } from './manners.ts';
import { rest } from './pace.ts';
import { backOff, parseRetryAfter, timeOf } from './retry.ts';
import { redactedUrl } from './secret.ts';
import type { WireRequest, WireResponse } from './transport.ts';

/** A response with what an error about it has to say. */
export interface HostResponse extends WireResponse {
  readonly context: ErrorContext;
}

/** One request to a host, with all that it takes: authorization, redirects, repetition. */
export interface HostRequest {
  readonly method: WireRequest['method'];
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The body, anew for each attempt. */
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>) | undefined;
  readonly scopes: readonly string[];
  readonly repository?: string | undefined;
  /** Statuses that are answers; every other one is an error. `any`: whoever asks judges. */
  readonly expect: readonly number[] | 'any';
  /** `once`: not repeated after a failure, since the far side may have done half of it. Challenges are still answered. */
  readonly repeat?: 'always' | 'once' | undefined;
  /** `none`: only what the headers of the request say. */
  readonly credentials?: 'own' | 'none' | undefined;
  /** Redirects to other servers are refused. */
  readonly withinOrigin?: boolean | undefined;
  /** The far side may need long before it answers. */
  readonly commits?: boolean | undefined;
  /** It takes no place among the small requests: its body is large and has one, or somebody who has one waits for it. */
  readonly bulk?: boolean | undefined;
  readonly operation?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const redirectLimit = 10;

/** How often a request is sent again because the server wants other credentials. */
const challengeLimit = 3;

/**
 * Sends a request until there is an answer that counts.
 * @throws DrayError of the kind the answer means, `unavailable` without one; with registry, request, status, codes, attempts
 * and the source of the credentials in its context. The signal's reason.
 */
export function exchange(host: HostState, request: HostRequest): Promise<HostResponse> {
  return receive(host, request, async (response) => response);
}

/**
 * As {@link exchange}, until what the answer holds has been read as well: the request is sent again when its body breaks off.
 * @throws DrayError as {@link exchange} does; what `read` throws.
 */
export function receive<T>(
  host: HostState,
  request: HostRequest,
  read: (response: HostResponse) => Promise<T>,
): Promise<T> {
  return new Exchange(host, request, read).run();
}

class Exchange<T> {
  readonly #host: HostState;
  readonly #request: HostRequest;
  readonly #read: (response: HostResponse) => Promise<T>;
  /** When the latest attempt began. */
  #startedAt = 0;
  #attempts = 0;
  #challenges = 0;
  readonly #needs = new Map<HostState, Need>();
  #sent: Authorization | undefined;

  constructor(host: HostState, request: HostRequest, read: (response: HostResponse) => Promise<T>) {
    this.#host = host;
    this.#request = request;
    this.#read = read;
    const { scopes, repository, signal } = request;
    this.#needs.set(host, { scopes, repository, signal });
  }

  async run(): Promise<T> {
    this.#host.checkOnline();
    for (;;) {
      this.#attempts += 1;
      const outcome = await this.#attempt();
      if ('result' in outcome) return outcome.result;
      if (outcome.again > 0) await this.#rest(outcome.again, outcome.cause);
    }
  }

  // What an answer that counts holds, or that there is to be another attempt.
  async #attempt(): Promise<Done<T> | Again> {
    const { signal } = this.#request;
    await this.#host.pace.ready(signal);
    const leave = this.#request.bulk === true ? undefined : await this.#host.pace.metadata.enter(signal);
    this.#startedAt = performance.now();
    try {
      const response = await this.#follow();
      // What a TLS server answers to plain http.
      if (response.status === 400 && this.#host.tryOtherRoot())
        return { again: 0, cause: 'the host speaks another protocol' };
      const again = isTransientStatus(response.status) ? await this.#afterStatus(response) : undefined;
      if (again !== undefined) return again;
      const result = await this.#readFrom(await this.#judge(response));
      if (leave !== undefined && !isTransientStatus(response.status)) this.#host.pace.metadata.grow();
      return { result };
    } catch (error) {
      signal?.throwIfAborted();
      return this.#afterFailure(error);
    } finally {
      leave?.();
    }
  }

  async #readFrom(response: HostResponse): Promise<T> {
    try {
      return await this.#read(response);
    } catch (error) {
      throw error instanceof DrayError ? withContext(error, response.context) : error;
    }
  }

  async #judge(response: WireResponse): Promise<HostResponse> {
    const { expect } = this.#request;
    const context = this.#context(response.url);
    if (expect === 'any' || expect.includes(response.status)) return { ...response, context };
    throw await errorFrom(response, context);
  }

  #afterFailure(error: unknown): Again {
    if (!isTransient(error)) throw connectionError(error, this.#context());
    if (this.#host.tryOtherRoot()) return { again: 0, cause: 'the host speaks another protocol' };
    const most = isUnreachable(error) ? Math.min(3, this.#host.attempts) : this.#host.attempts;
    const failure = connectionError(error, this.#context());
    if (this.#request.repeat === 'once' || this.#attempts >= most) throw failure;
    return { again: backOff(this.#host.context.retry, this.#attempts + 1), cause: failure.message };
  }

  async #afterStatus(response: WireResponse): Promise<Again | undefined> {
    const { retry } = this.#host.context;
    const { headers } = response;
    const asked = parseRetryAfter(headers.get('retry-after'), timeOf(headers.get('date')));
    // However little a server asks for, it gets at least the usual pause.
    const pause = Math.max(asked ?? 0, backOff(retry, this.#attempts + 1));
    const throttled = response.status === 429 || asked !== undefined;
    if (throttled) this.#host.slowDown(Math.min(pause, retry.longestWait));
    if (this.#request.repeat === 'once' || this.#attempts >= this.#host.attempts) return undefined;
    if (pause > retry.longestWait) throw await this.#tooLong(response, pause);
    await response.body.discard();
    return { again: throttled ? 0 : pause, cause: `status ${response.status}` };
  }

  async #tooLong(response: WireResponse, pause: number): Promise<DrayError> {
    const hint = `the registry wants to be left alone for ${Math.ceil(pause / 1000)} seconds`;
    return errorFrom(response, { ...this.#context(response.url), hint });
  }

  async #follow(): Promise<WireResponse> {
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
    const answer = await exchange(at, { ...request, bulk: true, repeat: 'once' });
    await answer.body.discard();
    return answer.status === 401 ? answer : undefined;
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

  async #rest(pause: number, cause: string): Promise<void> {
    const { signal } = this.#request;
    this.#host.context.emit({
      type: 'retry',
      registry: this.#host.registry,
      request: this.#described(),
      attempt: this.#attempts + 1,
      pause,
      cause,
    });
    await rest(pause, signal);
  }

  #refuse(problem: string): DrayError {
    return new DrayError('permission-denied', `${this.#host.registry} is not followed: ${problem}`, {
      ...this.#context(),
      reason: 'policy',
      hint: 'the registry is misconfigured, or it is not what it says it is',
    });
  }

  #context(url?: URL): ErrorContext {
    const elsewhere = url !== undefined && url.origin !== this.#host.root.origin;
    return {
      operation: this.#request.operation,
      registry: elsewhere ? url.host : this.#host.registry,
      request: this.#described(),
      attempts: this.#attempts,
      credentials: this.#sent?.credentials?.source ?? 'none',
    };
  }

  #described(): string {
    return `${this.#request.method} ${this.#request.url.pathname}`;
  }
}

interface Done<T> {
  readonly result: T;
}

interface Again {
  readonly again: number;
  readonly cause: string;
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
