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
    return daemonOver(new Session(channel, namespace, timeout), () => channel[Symbol.asyncDispose]());
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

function daemonOver(session: Session, close: () => Promise<void>): Daemon {
  const daemon: Daemon = {
    address: session.channel.path,
    namespace: session.namespace,
    content: new DaemonContent(session),
    images: new DaemonImages(session),
    leases: new DaemonLeases(session),
    events: new DaemonEvents(session),
    namespaces: new DaemonNamespaces(session),
    services(namespace) {
      checkNamespace(namespace);
      return daemonOver(session.in(namespace), async () => {});
    },
    version: (options) => daemonVersion(session, options),
    plugins: (filters = [], options) => daemonPlugins(session, filters, options),
    healthy: (options) => daemonServes(session, options),
    unpack: (target, options) => unpackImage(session, daemon, target, options),
    [Symbol.asyncDispose]: close,
  };
  return daemon;
}
