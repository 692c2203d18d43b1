import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DrayError } from '../errors.ts';
import { type Access, everybody, type Identity } from './auth/authentication.ts';
import { refusal } from './codes.ts';
import { changes, type Endpoint, endpointsOf } from './endpoints.ts';
import type { Exchange } from './exchange.ts';
import { type AllowedHosts, checkOrigin } from './guard.ts';
import { failureText, type RequestRecord } from './log.ts';
import type { Metrics } from './metrics.ts';
import { type RepositoryName, repositoryName } from './names.ts';
import { replyBytes, replyError } from './reply.ts';
import { parseRoute, parseTarget, type RequestTarget, type Route } from './route.ts';
import type { RegistryState } from './state.ts';

/** Sees a request before the registry does. True when it has answered it. */
export type Interceptor = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

/** How {@link Handler} treats requests. */
export interface HandlerOptions {
  readonly state: RegistryState;
  readonly metrics: Metrics;
  /** Path of the metrics; none if not said. */
  readonly metricsPath: string | undefined;
  readonly stall: number;
  readonly onRequest: ((record: RequestRecord) => void) | undefined;
  readonly intercept: Interceptor | undefined;
  readonly signal: AbortSignal;
}

/** Answers requests: who may ask, what is meant, who does it, and what is written down of it. */
export class Handler {
  readonly #options: HandlerOptions;
  readonly #prefix = randomBytes(4).toString('hex');
  readonly #active = new Set<Promise<void>>();
  #count = 0;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** Answers one request. Never throws. */
  handle(request: IncomingMessage, response: ServerResponse, hosts: AllowedHosts): void {
    const answer = this.#answer(request, response, hosts).finally(() => this.#active.delete(answer));
    this.#active.add(answer);
  }

  /** Resolves when no request is under way. */
  async idle(): Promise<void> {
    while (this.#active.size > 0) await Promise.allSettled(this.#active);
  }

  async #answer(request: IncomingMessage, response: ServerResponse, hosts: AllowedHosts): Promise<void> {
    const started = performance.now();
    const stop = new AbortController();
    // By the end of an exchange the connection may be gone, and the address with it.
    const remote = request.socket.remoteAddress ?? '';
    const note: Note = { route: 'unknown', user: '-', remote, failure: undefined };
    const exchange: Exchange = {
      request,
      response,
      id: `${this.#prefix}-${++this.#count}`,
      query: new URLSearchParams(),
      identity: everybody,
      signal: AbortSignal.any([stop.signal, this.#options.signal]),
      traffic: { received: 0, sent: 0 },
      stall: this.#options.stall,
    };
    response.once('close', () => {
      if (!response.writableFinished) stop.abort(new DrayError('aborted', 'the client went away'));
    });
    this.#options.metrics.begin();
    response.setHeader('X-Request-Id', exchange.id);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    // What an image holds is shown by a browser under the name of this registry, which it may call.
    response.setHeader('Content-Security-Policy', "default-src 'none'; sandbox");
    response.setHeader('Docker-Distribution-API-Version', 'registry/2.0');
    try {
      if (!(await this.#options.intercept?.(request, response))) await this.#serve(exchange, hosts, note);
    } catch (error) {
      note.failure = error;
      await replyError(exchange, error);
    }
    await sent(response);
    this.#record(exchange, note, performance.now() - started);
  }

  async #serve(exchange: Exchange, hosts: AllowedHosts, note: Note): Promise<void> {
    checkOrigin(exchange.request, hosts);
    const target = parseTarget(exchange.request.url ?? '');
    const { metricsPath, state } = this.#options;
    if (metricsPath !== undefined && target.path === metricsPath) {
      note.route = 'metrics';
      await this.#serveMetrics(exchange, note);
      return;
    }
    const route = parseRoute(target.path);
    if (route === undefined) throw refusal('UNSUPPORTED', 'there is nothing at this path', { status: 404 });
    note.route = route.kind;
    const name = nameOf(route, target, state.domain);
    const endpoint = this.#endpoint(exchange, route);
    const identity = await this.#identify(exchange, note, accessOf(endpoint, name));
    if (changes(endpoint) && name !== undefined && state.upstream?.serves(name)) {
      throw refusal('UNSUPPORTED', `${name.domain} is mirrored here, so nothing of it can be changed`);
    }
    const ns = target.query.get('ns');
    if (ns !== null) exchange.response.setHeader('OCI-Namespace', name?.domain ?? ns.replaceAll(/[^\w.:-]/g, '?'));
    const repository = name === undefined ? undefined : state.repository(name);
    await endpoint.run({ ...exchange, query: target.query, identity }, state, repository);
  }

  #endpoint({ request, response }: Exchange, route: Route): Endpoint {
    const endpoints = endpointsOf(route);
    const method = request.method ?? '';
    const endpoint = Object.hasOwn(endpoints, method) ? endpoints[method] : undefined;
    const isAllowed = (one: Endpoint): boolean => !this.#options.state.readOnly || !changes(one);
    if (endpoint !== undefined && isAllowed(endpoint)) return endpoint;
    const allowed = Object.entries(endpoints).flatMap(([name, one]) => (isAllowed(one) ? name : []));
    response.setHeader('Allow', allowed.join(', '));
    const problem = endpoint === undefined ? `${method.slice(0, 20)} means nothing here` : 'this registry is read-only';
    throw refusal('UNSUPPORTED', problem);
  }

  async #identify({ request, response, signal }: Exchange, note: Note, needed: readonly Access[]): Promise<Identity> {
    const { authentication } = this.#options.state;
    if (authentication === undefined) return everybody;
    const identity = await authentication
      .identify(request.headers.authorization, { signal })
      .catch((cause: unknown) => {
        throw refusal('UNAVAILABLE', 'nobody can be authenticated at the moment', { cause });
      });
    note.user = identity?.name ?? '-';
    if (identity !== undefined && needed.every((access) => identity.allows(access))) return identity;
    const asked = needed.map(({ type, name, action }) => `${action} of ${type} ${name}`).join(', ') || 'this';
    if (identity !== undefined && !authentication.scoped) throw refusal('DENIED', `${asked} is not allowed`);
    response.setHeader('WWW-Authenticate', authentication.challenge(needed, identity));
    throw refusal('UNAUTHORIZED', identity === undefined ? 'authentication is required' : `${asked} is not granted`);
  }

  async #serveMetrics(exchange: Exchange, note: Note): Promise<void> {
    if (exchange.request.method !== 'GET' && exchange.request.method !== 'HEAD') {
      throw refusal('UNSUPPORTED', 'metrics can only be read');
    }
    await this.#identify(exchange, note, [{ type: 'registry', name: 'metrics', action: '*' }]);
    const { metrics, state } = this.#options;
    const text = Buffer.from(metrics.format({ uploads: state.sessions.open }));
    replyBytes(exchange, text, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
  }

  #record({ request, response, id, traffic }: Exchange, note: Note, milliseconds: number): void {
    const status = response.headersSent ? response.statusCode : 499;
    const record: RequestRecord = {
      id,
      time: Date.now() - Math.round(milliseconds),
      method: request.method ?? '',
      path: (request.url ?? '').slice(0, 1000),
      route: note.route,
      status,
      ...traffic,
      milliseconds,
      user: note.user,
      remote: note.remote,
      ...(note.failure === undefined || status === 404 ? {} : { error: failureText(note.failure) }),
    };
    this.#options.metrics.end(record);
    this.#options.onRequest?.(record);
  }
}

// An answer that is being sent is under way until its last byte is.
async function sent(response: ServerResponse): Promise<void> {
  if (response.writableFinished || response.destroyed || response.closed) return;
  await new Promise<void>((resolve) => {
    response.once('finish', resolve).once('close', resolve);
  });
}

interface Note {
  route: Route['kind'] | 'metrics' | 'unknown';
  user: string;
  readonly remote: string;
  failure: unknown;
}

function nameOf(route: Route, { query }: RequestTarget, local: string): RepositoryName | undefined {
  return 'path' in route ? repositoryName(route.path, query.get('ns') ?? undefined, local) : undefined;
}

function accessOf({ action }: Endpoint, name: RepositoryName | undefined): readonly Access[] {
  if (action === undefined) return [];
  if (name === undefined) return [{ type: 'registry', name: 'catalog', action }];
  return [{ type: 'repository', name: name.short, action }];
}
