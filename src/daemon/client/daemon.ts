import { rest } from '../../content/abort.ts';
import type { AbortableOptions } from '../../content/store.ts';
import { is } from '../../errors.ts';
import type { Services } from '../../services/services.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { checkNamespace } from '../../spec/namespace-name.ts';
import { Channel } from '../grpc/channel.ts';
import { type DaemonPlugin, type DaemonVersion, daemonPlugins, daemonServes, daemonVersion } from './about.ts';
import { socketPath } from './address.ts';
import { DaemonContent } from './content.ts';
import { DaemonEvents } from './events.ts';
import { DaemonImages } from './images.ts';
import { DaemonLeases } from './leases.ts';
import { DaemonNamespaces } from './namespaces.ts';
import { Session } from './session.ts';
import { type UnpackOptions, unpackImage } from './unpack.ts';

/** How to reach a daemon. */
export interface ConnectContainerdOptions extends AbortableOptions {
  /** The path of its socket, `/run/containerd/containerd.sock`. */
  readonly address: string;
  /** `default` if not said. */
  readonly namespace?: string | undefined;
  /** Milliseconds to wait for a daemon that does not listen yet; it is not waited for if not said. */
  readonly wait?: number | undefined;
  /** Milliseconds to wait for each answer, a minute if not said; ten times that for what takes longer with more bytes. */
  readonly timeout?: number | undefined;
}

/** One namespace of a containerd daemon. Whoever connected closes it. */
export interface Daemon extends Services {
  /** The path of its socket. */
  readonly address: string;
  /** Another namespace of it, over the same connection. Disposing of the view does not close that. */
  services(namespace: string): Daemon;
  version(options?: AbortableOptions): Promise<DaemonVersion>;
  /** What it consists of (filter fields `type`, `id`). */
  plugins(filters?: readonly string[], options?: AbortableOptions): AsyncIterable<DaemonPlugin>;
  /** Whether it says that it is in order. */
  healthy(options?: AbortableOptions): Promise<boolean>;
  /** Makes the layers of an image into snapshots; see {@link unpackImage}. */
  unpack(target: Descriptor, options?: UnpackOptions): Promise<boolean>;
}

const answerMilliseconds = 60_000;

/**
 * Connects to a containerd daemon, or to a store that is served as one. The connection is made again when it was lost.
 * @throws DrayError `unavailable` with the path when nobody listens there; `permission-denied`; `deadline-exceeded` when nobody
 * answers; `invalid-argument` for a malformed address or namespace.
 */
export async function connectContainerd(options: ConnectContainerdOptions): Promise<Daemon> {
  const { address, namespace = 'default', wait = 0, timeout = answerMilliseconds, signal } = options;
  checkNamespace(namespace);
  const channel = new Channel({ path: socketPath(address), connectTimeout: Math.min(timeout, 10_000) });
  try {
    await connected(channel, wait, signal);
    return new ConnectedDaemon(new Session(channel, namespace, timeout), channel);
  } catch (error) {
    await channel[Symbol.asyncDispose]();
    throw error;
  }
}

const pollMilliseconds = 50;

async function connected(channel: Channel, wait: number, signal: AbortSignal | undefined): Promise<void> {
  for (const deadline = performance.now() + wait; ; ) {
    try {
      await channel.connect({ signal });
      return;
    } catch (error) {
      if (!is(error, 'unavailable') || performance.now() + pollMilliseconds > deadline) throw error;
    }
    await rest(pollMilliseconds, signal);
  }
}

class ConnectedDaemon implements Daemon {
  readonly content: DaemonContent;
  readonly images: DaemonImages;
  readonly leases: DaemonLeases;
  readonly events: DaemonEvents;
  readonly namespaces: DaemonNamespaces;
  readonly #session: Session;
  readonly #owned: AsyncDisposable | undefined;

  constructor(session: Session, owned?: AsyncDisposable) {
    this.#session = session;
    this.#owned = owned;
    this.content = new DaemonContent(session);
    this.images = new DaemonImages(session);
    this.leases = new DaemonLeases(session);
    this.events = new DaemonEvents(session);
    this.namespaces = new DaemonNamespaces(session);
  }

  get namespace(): string {
    return this.#session.namespace;
  }

  get address(): string {
    return this.#session.channel.path;
  }

  services(namespace: string): Daemon {
    checkNamespace(namespace);
    return new ConnectedDaemon(this.#session.in(namespace));
  }

  version(options?: AbortableOptions): Promise<DaemonVersion> {
    return daemonVersion(this.#session, options);
  }

  plugins(filters: readonly string[] = [], options?: AbortableOptions): AsyncIterable<DaemonPlugin> {
    return daemonPlugins(this.#session, filters, options);
  }

  healthy(options?: AbortableOptions): Promise<boolean> {
    return daemonServes(this.#session, options);
  }

  unpack(target: Descriptor, options?: UnpackOptions): Promise<boolean> {
    return unpackImage(this.#session, this, target, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned?.[Symbol.asyncDispose]();
  }
}
