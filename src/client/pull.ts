import type { Daemon } from '../daemon/client/daemon.ts';
import type { Services } from '../services/services.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { type Copied, type CopyOptions, copyImage } from './copy.ts';
import type { Place } from './place.ts';
import { matcherOf } from './select.ts';
import { StorePlace } from './store-place.ts';

/** Options of `Client.pull`. */
export interface PullOptions extends CopyOptions {
  /** Whether a daemon makes snapshots of the layers, so that containers can be started; yes if not said. */
  readonly unpack?: boolean | undefined;
  /** The daemon's snapshotter; the one that the namespace names, else `overlayfs`. */
  readonly snapshotter?: string | undefined;
}

/** Where a pull goes from and to. */
export interface PullContext {
  readonly from: Place;
  readonly services: Services;
  /** The daemon that has the services, if one has. */
  readonly daemon: Daemon | undefined;
}

/** As `Client.pull` does, into any services. */
export async function pullImage({ from, services, daemon }: PullContext, options: PullOptions = {}): Promise<Copied> {
  const copied = await copyImage(from, new StorePlace(services, from.name), options);
  if (daemon !== undefined && options.unpack !== false) await unpack(daemon, copied.root, options);
  return copied;
}

async function unpack(
  daemon: Daemon,
  root: Descriptor,
  { platforms, snapshotter, signal }: PullOptions,
): Promise<void> {
  const wanted = platforms === 'all' || platforms === undefined ? [platforms] : platforms.map((one) => [one]);
  for (const one of wanted) await daemon.unpack(root, { platform: matcherOf(one), snapshotter, signal });
}
