import { waitAtMost } from '../content/abort.ts';
import type { AbortableOptions } from '../content/store.ts';
import { Turns } from '../content/turns.ts';
import { DrayError } from '../errors.ts';
import { Collection } from '../services/collection.ts';
import type { Services } from '../services/services.ts';
import type { Authentication } from './auth/authentication.ts';
import { Graphs } from './graphs.ts';
import { isLoopback } from './guard.ts';
import { Handler, type Interceptor } from './handler.ts';
import { Holds } from './holds.ts';
import { listen, type TlsOptions } from './listener.ts';
import type { RequestRecord } from './log.ts';
import { MemoryBudget } from './memory.ts';
import { Metrics } from './metrics.ts';
import { Publisher, type SparsePolicy } from './publisher.ts';
import { Repository } from './repository.ts';
import { Sessions } from './sessions.ts';
import { SharedReads } from './shared-reads.ts';
import type { RegistryState } from './state.ts';
import { Upstream, type UpstreamOptions } from './upstream.ts';

/** How to start a registry. Times are milliseconds. */
export interface RegistryOptions {
  /** What it serves: one namespace of a store. It stays the caller's to close, after the registry. */
  readonly services: Services;
  /** Address to listen at; 127.0.0.1 if not said. */
  readonly host?: string | undefined;
  /** Port to listen at; any free one if not said. */
  readonly port?: number | undefined;
  /** A unix socket to listen at, in place of host and port. Only its owner can connect. */
  readonly socketPath?: string | undefined;
  readonly tls?: TlsOptions | undefined;
  /** More names by which requests may call it. A loopback listener answers only to names of the machine and to these. */
  readonly hosts?: readonly string[] | undefined;
  /** Who may do what; everybody everything if not said. */
  readonly authentication?: Authentication | undefined;
  /** Listen at an address that others can reach although nobody is asked who they are. */
  readonly allowEverybody?: boolean | undefined;
  /** Refuse everything that changes something. */
  readonly readOnly?: boolean | undefined;
  /** Which manifests may name content that is not there; `indexes` if not said. */
  readonly sparse?: SparsePolicy | undefined;
  /** Host part of the names of repositories whose paths have none; that of the upstream or `localhost` if not said. */
  readonly domain?: string | undefined;
  /** Another registry, from which comes what is asked for and is not there. */
  readonly upstream?: UpstreamOptions | undefined;
  /** Collects what nothing needs any more; called a while after deletions and now and then. Never if not said. */
  readonly collect?: ((options: AbortableOptions) => Promise<unknown>) | undefined;
  /** From a deletion to the collection that it causes; 1 second if not said. */
  readonly collectDelay?: number | undefined;
  /** Between collections that nobody asked for; 10 minutes if not said. */
  readonly collectInterval?: number | undefined;
  /** How long what was pushed is kept at least without a manifest that names it; 1 hour if not said. */
  readonly grace?: number | undefined;
  /** The longest a body may stand still; 1 minute if not said. */
  readonly stall?: number | undefined;
  /** What requests under way get to end when the registry is closed; 5 seconds if not said. */
  readonly shutdown?: number | undefined;
  /** The most connections at once; 1000 if not said. */
  readonly connections?: number | undefined;
  /** The most bytes of a manifest; 8 MiB if not said. */
  readonly manifestLimit?: number | undefined;
  /** The most bytes of a blob; without end if not said. */
  readonly blobLimit?: number | undefined;
  /** The `OCI-Chunk-Min-Length` that uploads announce; none if not said. */
  readonly chunkMinLength?: number | undefined;
  /** Path of the metrics in Prometheus' format, such as `/metrics`; none if not said. */
  readonly metricsPath?: string | undefined;
  /** Sees every request first, and may answer it itself. */
  readonly intercept?: Interceptor | undefined;
  /** Told of every request as it ends. */
  readonly onRequest?: ((record: RequestRecord) => void) | undefined;
  /** Told of what goes wrong where nobody waits for it: a collection. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** A registry that listens. */
export interface Registry extends AsyncDisposable {
  /** Base of its URLs: `http://127.0.0.1:5000`. */
  readonly url: string;
  /** What images there begin with, `127.0.0.1:5000`; the path of the socket for one that listens at that. */
  readonly address: string;
}

const defaults = {
  host: '127.0.0.1',
  domain: 'localhost',
  grace: 3_600_000,
  stall: 60_000,
  shutdown: 5_000,
  connections: 1000,
  manifestLimit: 8 * 1024 * 1024,
  memory: 64 * 1024 * 1024,
  shared: 32 * 1024 * 1024,
  sessions: { idle: 30_000, open: 256 },
} as const;

/**
 * Starts a registry over a store: the distribution protocol of the Open Container Initiative. What is in the store is there
 * to be pulled, what is pushed is an image of the store. Disposing it takes no more connections, gives what is under way a
 * while to end, and keeps what was uploaded, so that uploads go on after the next start.
 * @throws DrayError `failed-precondition` for an address that others can reach without authentication; `unavailable` when
 * the address is in use; `invalid-argument` for a bad certificate.
 */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const { host = defaults.host, socketPath, tls, hosts = [], stall = defaults.stall } = options;
  checkReach(options);
  await using undo = new AsyncDisposableStack();
  const closing = new AbortController();
  const state = createState(options, undo);
  const handler = new Handler({
    state,
    metrics: new Metrics(),
    metricsPath: options.metricsPath,
    stall,
    onRequest: options.onRequest,
    intercept: options.intercept,
    signal: closing.signal,
  });
  const { port = 0, connections = defaults.connections } = options;
  const listener = undo.use(await listen(handler, { host, port, socketPath, tls, hosts, connections, stall }));
  const parts = undo.move();
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await using _ = parts;
    listener.stop();
    await waitAtMost(options.shutdown ?? defaults.shutdown, handler.idle());
    closing.abort(new DrayError('unavailable', 'the registry is closing'));
    await handler.idle();
  };
  return {
    url: listener.url,
    address: listener.address,
    [Symbol.asyncDispose]: () => {
      closed ??= close();
      return closed;
    },
  };
}

function checkReach({
  host = defaults.host,
  socketPath,
  authentication,
  allowEverybody = false,
}: RegistryOptions): void {
  if (socketPath !== undefined || isLoopback(host) || authentication !== undefined || allowEverybody) return;
  throw new DrayError('failed-precondition', `everybody who can reach ${host} could read and change the registry`, {
    hint: 'ask for authentication, listen at 127.0.0.1, or say that everybody may',
  });
}

function createState(options: RegistryOptions, undo: AsyncDisposableStack): RegistryState {
  const { services, collect, upstream } = options;
  const holds = new Holds(services.leases, options.grace ?? defaults.grace);
  const context = { services, holds, graphs: new Graphs(services.content) };
  const collection = collect && {
    collect,
    delay: options.collectDelay,
    interval: options.collectInterval,
    onError: options.onError ?? ((): void => {}),
  };
  return {
    services,
    holds,
    sessions: undo.use(new Sessions(services.content, defaults.sessions)),
    publisher: new Publisher(services, holds, options.sparse ?? 'indexes'),
    collection: undo.use(new Collection(collection)),
    turns: new Turns(),
    memory: new MemoryBudget(defaults.memory),
    reads: new SharedReads(defaults.shared),
    limits: {
      manifest: options.manifestLimit ?? defaults.manifestLimit,
      blob: options.blobLimit ?? Number.POSITIVE_INFINITY,
      chunkMinLength: options.chunkMinLength,
    },
    domain: options.domain ?? upstream?.host ?? defaults.domain,
    upstream: upstream && undo.use(new Upstream(upstream, services, holds)),
    readOnly: options.readOnly ?? false,
    authentication: options.authentication,
    repository: (name) => new Repository(name, context),
  };
}
