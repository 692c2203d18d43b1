import { getCACertificates } from 'node:tls';
import { Turns } from '../../content/turns.ts';
import { DrayError } from '../../errors.ts';
import { type Reach, reachOfHost } from './addresses.ts';
import type { Authorizer } from './authorizer.ts';
import type { Budget } from './budget.ts';
import { type CredentialSource, noCredentials } from './credentials.ts';
import type { DownloadPolicy } from './download-policy.ts';
import type { RegistryEvent } from './events.ts';
import { guardUrl, type UrlPurpose } from './guard.ts';
import type { HostRequest } from './host-request.ts';
import { allCapabilities, type HostConfig } from './hosts.ts';
import type { Pace } from './pace.ts';
import type { RetryPolicy } from './retry.ts';
import { repositoryScope } from './scopes.ts';
import type { Connection, Transport } from './transport.ts';

/** Time limits in milliseconds. */
export interface Timeouts {
  /** Until the head of an answer is there. */
  readonly headers: number;
  /** Until the registry has taken in what it was sent: it may hash a large blob before it answers. */
  readonly commit: number;
  /** The longest pause within a body. */
  readonly stall: number;
}

/** What all hosts of a client share. */
export interface ClientContext {
  readonly transport: Transport;
  readonly credentials: CredentialSource;
  /** Nothing is read without the credentials there are. */
  readonly strictCredentials?: boolean | undefined;
  readonly emit: (event: RegistryEvent) => void;
  readonly timeouts: Timeouts;
  readonly retry: RetryPolicy;
  readonly userAgent: string;
  readonly offline: boolean;
  /** Hosts that servers may send us to wherever they are. */
  readonly trusted: ReadonlySet<string>;
  readonly downloads: DownloadPolicy;
  /** Bytes of a chunk of an upload, where a registry has no wish of its own. */
  readonly chunkSize: number;
  readonly budget: Budget;
  /** Who asks for the tokens of a host. */
  readonly authorizerOf: (host: HostState) => Authorizer;
  /** The pace of a server, the same for all its hosts. */
  readonly paceOf: (config: HostConfig) => Pace;
}

/** What a host turned out to do or not to do; absent while nobody knows. */
export interface Learned {
  /** HEAD of a manifest says the truth. */
  headManifest?: boolean;
  /** Ranges of blobs are served. */
  ranges?: boolean;
  /** `POST ?digest=` takes a blob in one request. */
  singlePost?: boolean;
  /** Chunks with a `Content-Range` are taken. */
  chunked?: boolean;
  /** A session ends only with a request that has a body. */
  finalOnPut?: boolean;
  /** The most bytes one request may carry. */
  largestBody?: number;
  largestChunk?: number;
  smallestChunk?: number;
  /** It was asked what credentials it wants. */
  lookedForChallenge?: boolean;
  /** Several tags are set in one request. */
  multiTag?: boolean;
  /** Whether the referrers API is there, by repository: those of one host may be kept by different registries. */
  readonly referrers: Map<string, boolean>;
}

const mirrorAttempts = 2;

/** Other servers that one host may have sent us to before they are forgotten. */
const satelliteLimit = 256;

/** One server and everything that is known about it: what it wants, how much it takes, how long to leave it alone. */
export class HostState {
  readonly config: HostConfig;
  readonly context: ClientContext;
  readonly authorizer: Authorizer;
  readonly pace: Pace;
  readonly learned: Learned = { referrers: new Map() };
  readonly warnings: Set<string> = new Set();
  /** What is read, changed and written back, by what it is: one after another. */
  readonly turns: Turns = new Turns();
  #root: URL;
  #otherRoot: URL | undefined;
  #rootChanges = 0;
  #reach: Promise<Reach> | undefined;
  readonly #satellites = new Map<string, HostState>();
  #connection: Connection;
  #elsewhere: Connection | undefined;
  #trusted: Connection | undefined;

  constructor(config: HostConfig, context: ClientContext) {
    this.config = config;
    this.context = context;
    this.#connection = config.connection;
    this.#root = config.root;
    this.#otherRoot = config.otherRoot;
    this.pace = context.paceOf(config);
    this.authorizer = context.authorizerOf(this);
  }

  /** The host with its port, for people. */
  get registry(): string {
    return this.config.registry;
  }

  /** How often a request is sent. What is read from a mirror others have as well. */
  attemptsOf(method: HostRequest['method']): number {
    const { attempts } = this.context.retry;
    const isElsewhere = this.config.isMirror === true && (method === 'GET' || method === 'HEAD');
    return isElsewhere ? Math.min(mirrorAttempts, attempts) : attempts;
  }

  /** The root of its API. */
  get root(): URL {
    return this.#root;
  }

  /** A URL below the root of its API. */
  url(path: string): URL {
    const { namespace } = this.config;
    // The root of the whole server has a slash of its own.
    const url = new URL(`${this.#root.href.replace(/\/$/, '')}/${path}`);
    if (namespace !== undefined) url.search += `${url.search === '' ? '?' : '&'}ns=${encodeURIComponent(namespace)}`;
    return url;
  }

  /** What a repository is called there: its name begins with what a path of ours puts before it. */
  repositoryName(path: string): string {
    const prefix = /^\/v2\/(.+)$/.exec(this.#root.pathname)?.[1];
    return prefix === undefined ? path : `${prefix}/${path}`;
  }

  /** The scope for a repository. */
  scope(path: string, ...actions: readonly ('pull' | 'push' | 'delete')[]): string {
    return repositoryScope(this.repositoryName(path), ...actions);
  }

  /** What a request for something of a repository says: where it is, and the rights that it takes. */
  inRepository(
    path: string,
    below: string,
    ...actions: readonly ('pull' | 'push' | 'delete')[]
  ): Pick<HostRequest, 'url' | 'scopes' | 'repository'> {
    return { url: this.url(`${path}/${below}`), scopes: [this.scope(path, ...actions)], repository: path };
  }

  /** Where it is, seen from here. */
  reach(): Promise<Reach> {
    this.#reach ??= this.config.connection.socketPath === undefined ? reachOfHost(this.#root.hostname) : localReach;
    return this.#reach;
  }

  /** A URL that this host named, in an answer from `base`, when it may be followed. @throws DrayError as {@link guardUrl}. */
  async guard(text: string, base: URL, purpose: UrlPurpose): Promise<URL> {
    return guardUrl(text, base, await this.reach(), purpose, this.context.trusted);
  }

  /**
   * The state for a URL that this host named: its own for its own origin, else that of the other server, which gets neither
   * credentials nor headers nor certificates that were meant for this one.
   */
  async at(url: URL): Promise<HostState> {
    if (url.origin === this.#root.origin) return this;
    const connection = await this.#connectionTo(url);
    const known = this.#satellites.get(url.origin);
    if (known !== undefined) return known;
    const root = new URL(url.origin);
    const config: HostConfig = { registry: url.host, root, capabilities: allCapabilities, connection, headers: {} };
    const satellite = new HostState(config, { ...this.context, credentials: noCredentials });
    if (this.#satellites.size >= satelliteLimit) this.#satellites.clear();
    this.#satellites.set(url.origin, satellite);
    return satellite;
  }

  async #connectionTo({ host }: URL): Promise<Connection> {
    const { authorities, skipVerify, timeout, namedFrom } = this.config.connection;
    if (this.context.trusted.has(host)) {
      this.#trusted ??= { authorities, skipVerify, timeout };
      return this.#trusted;
    }
    const reach = namedFrom ?? (await this.reach());
    this.#elsewhere ??= { authorities, skipVerify, timeout, namedFrom: reach };
    return this.#elsewhere;
  }

  /** How it is connected to. */
  get connection(): Connection {
    return this.#connection;
  }

  /**
   * Believes the authorities of the system as well, once nobody else knows who has signed a certificate: reading them takes
   * time that most never need. Whether there is another way to connect than the one that failed.
   */
  trySystemAuthorities(failed: Connection): boolean {
    if (this.#connection === failed && failed === this.config.connection) {
      const { authorities = [] } = failed;
      this.#connection = { ...failed, authorities: [...authorities, ...getCACertificates('system')] };
    }
    return this.#connection !== failed;
  }

  /** The host answered; whether it speaks http or https is settled. */
  settle(): void {
    this.#otherRoot = undefined;
  }

  /** Turns from http to https or back, while it is open which one the host speaks; whether there was something to turn to. */
  tryOtherRoot(): boolean {
    if (this.#otherRoot === undefined || this.#rootChanges >= 2) return false;
    [this.#root, this.#otherRoot] = [this.#otherRoot, this.#root];
    this.#rootChanges += 1;
    return true;
  }

  /** The host asked for less. */
  slowDown(pause: number): void {
    this.pace.slowDown(pause);
    this.context.emit({ type: 'wait', registry: this.registry, pause });
  }

  tell(text: string): void {
    this.context.emit({ type: 'fallback', registry: this.registry, text });
  }

  /** @throws DrayError `failed-precondition`, reason `policy`, when nobody is to be dialled. */
  checkOnline(): void {
    if (!this.context.offline) return;
    throw new DrayError('failed-precondition', `offline: ${this.registry} was not asked`, {
      reason: 'policy',
      registry: this.registry,
      hint: 'run it without --offline, or pull what is missing before',
    });
  }
}

const localReach: Promise<Reach> = Promise.resolve('loopback');
