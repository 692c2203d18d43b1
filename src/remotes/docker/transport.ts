import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, Pool, ProxyAgent, Socks5ProxyAgent } from 'undici';
import { DrayError } from '../../errors.ts';
import type { Reach } from './addresses.ts';
import { ResponseBody } from './body.ts';
import { guardedLookup } from './guard.ts';
import { Slabs } from './slabs.ts';
import { slabConnector } from './socket-reads.ts';

/** A certificate of ours with its key, both PEM. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** How servers are connected to. One object is one set of connections that are kept and used again. */
export interface Connection {
  /** Authorities beside those of the system, PEM. */
  readonly authorities?: readonly string[] | undefined;
  readonly clientCertificates?: readonly ClientCertificate[] | undefined;
  /** Do not verify the server's certificate. */
  readonly skipVerify?: boolean | undefined;
  /** A unix socket or named pipe, in place of the URL's host. */
  readonly socketPath?: string | undefined;
  /** The longest to wait for a connection, in milliseconds. */
  readonly timeout?: number | undefined;
  /** Where the server is that named the URLs; names that lead nearer are not connected to. */
  readonly namedFrom?: Reach | undefined;
}

/** One request on the wire. */
export interface WireRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** The longest to wait for the head of the answer, in milliseconds. */
  readonly headersTimeout: number;
  /** The longest pause within the body, in milliseconds. */
  readonly stallTimeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** The headers of a response; names in any case. */
export class ResponseHeaders {
  readonly #values: Readonly<Record<string, string | string[] | undefined>>;

  constructor(values: Readonly<Record<string, string | string[] | undefined>>) {
    this.#values = values;
  }

  /** The first line of that name. */
  get(name: string): string | undefined {
    return this.all(name)[0];
  }

  /** Every line of that name. */
  all(name: string): readonly string[] {
    const value = this.#values[name.toLowerCase()];
    if (value === undefined) return [];
    return typeof value === 'string' ? [value] : value;
  }
}

/** A response. Whoever got it reads the body to its end or discards it. */
export interface WireResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: ResponseBody;
  /** The URL that answered. */
  readonly url: URL;
}

/** Options of {@link Transport}. */
export interface TransportOptions {
  /** The proxy for a URL; none if not said. */
  readonly proxyFor?: ((url: URL) => URL | undefined) | undefined;
}

const keepAlive = 30_000;
const maximumHeaderSize = 64 * 1024;
const connectTimeout = 10_000;

/** Sends single requests over connections that it keeps. It follows nothing, retries nothing and knows no credentials. */
export class Transport implements AsyncDisposable {
  readonly #proxyFor: (url: URL) => URL | undefined;
  readonly #slabs = new Slabs();
  readonly #agents = new Map<Connection, Map<string, Dispatcher>>();
  readonly #closing = new AbortController();

  constructor({ proxyFor = () => undefined }: TransportOptions = {}) {
    this.#proxyFor = proxyFor;
  }

  /** Aborted when it is closed, for what is under way on behalf of nobody in particular. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * Sends a request and waits for the head of its answer.
   * @throws what undici and the sockets throw; the signal's reason; DrayError `failed-precondition` when it is closed.
   */
  async send(request: WireRequest, connection: Connection): Promise<WireResponse> {
    request.signal?.throwIfAborted();
    if (this.closed.aborted) throw new DrayError('failed-precondition', 'the client for registries is closed');
    return await exchangeOnce(this.#agentFor(connection, request.url), request, this.#slabs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    const agents = [...this.#agents.values()].flatMap((byProxy) => [...byProxy.values()]);
    this.#agents.clear();
    await Promise.all(agents.map((agent) => agent.destroy()));
  }

  #agentFor(connection: Connection, url: URL): Dispatcher {
    const proxy = connection.socketPath === undefined ? this.#proxyFor(url) : undefined;
    const byProxy = this.#agents.get(connection) ?? new Map<string, Dispatcher>();
    this.#agents.set(connection, byProxy);
    const agent = byProxy.get(proxy?.href ?? '') ?? agentOf(connection, proxy, this.#slabs);
    byProxy.set(proxy?.href ?? '', agent);
    return agent;
  }
}

function agentOf(connection: Connection, proxy: URL | undefined, slabs: Slabs): Dispatcher {
  const common = {
    allowH2: false,
    pipelining: 1,
    keepAliveTimeout: keepAlive,
    maxHeaderSize: maximumHeaderSize,
  };
  const timeout = connection.timeout ?? connectTimeout;
  const tls = tlsOptions(connection);
  if (proxy !== undefined) return proxyAgent(proxy, timeout, common, { ...tls, timeout });
  const { socketPath, namedFrom } = connection;
  const lookup = namedFrom === undefined ? {} : { lookup: guardedLookup(namedFrom) };
  const path = socketPath === undefined ? {} : { socketPath };
  const connect = slabConnector({ ...tls, ...lookup, ...path, timeout, allowH2: false }, slabs);
  return new Agent({ ...common, connect });
}

function proxyAgent(
  proxy: URL,
  timeout: number,
  options: Agent.Options,
  requestTls: NonNullable<ProxyAgent.Options['requestTls']>,
): Dispatcher {
  const [username, password] = [decodeURIComponent(proxy.username), decodeURIComponent(proxy.password)];
  if (proxy.protocol.startsWith('socks'))
    return new Socks5ProxyAgent(`socks5://${proxy.host}`, { username, password, connectTimeout: timeout, requestTls });
  const token = Buffer.from(`${username}:${password}`).toString('base64');
  const authority = { uri: `${proxy.protocol}//${proxy.host}` };
  return new ProxyAgent({
    ...options,
    requestTls,
    ...authority,
    ...(username === '' ? {} : { token: `Basic ${token}` }),
    connectTimeout: timeout,
    // What a proxy takes to connect is part of connecting, and no request has a time limit before it is sent.
    clientFactory: (origin, connecting) => new Pool(origin, { ...connecting, headersTimeout: timeout }),
  });
}

function tlsOptions({ authorities = [], clientCertificates = [], skipVerify = false }: Connection): {
  ca?: string[];
  cert?: string[];
  key?: string[];
  rejectUnauthorized?: boolean;
} {
  return {
    ...(authorities.length === 0 ? {} : { ca: [...getCACertificates('default'), ...authorities] }),
    ...(clientCertificates.length === 0
      ? {}
      : {
          cert: clientCertificates.map(({ certificate }) => certificate),
          key: clientCertificates.map(({ key }) => key),
        }),
    ...(skipVerify ? { rejectUnauthorized: false } : {}),
  };
}

function exchangeOnce(agent: Dispatcher, request: WireRequest, slabs: Slabs): Promise<WireResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<WireResponse>();
  const body = new ResponseBody(request.signal, slabs, request.stallTimeout);
  agent.dispatch(
    {
      origin: request.url.origin,
      path: `${request.url.pathname}${request.url.search}`,
      method: request.method,
      headers: request.headers,
      // An iterable is taken as well, which the types do not say.
      body: (request.body ?? null) as Uint8Array | null,
      headersTimeout: request.headersTimeout,
      bodyTimeout: request.stallTimeout,
      // A connection that answered a HEAD can be used again like any other.
      reset: false,
    },
    {
      onRequestStart: (controller) => body.start(controller),
      onResponseStart: (_controller, status, headers) => {
        if (status >= 200) resolve({ status, headers: new ResponseHeaders(headers), body, url: request.url });
      },
      onResponseData: (_controller, chunk) => body.push(chunk),
      onResponseEnd: () => body.end(),
      onResponseError: (_controller, error) => reject(body.fail(error)),
    },
  );
  body.onAbort(reject);
  return promise;
}
