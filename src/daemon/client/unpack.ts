import { randomUUID } from 'node:crypto';
import { addLabels } from '../../content/add-labels.ts';
import type { AbortableOptions } from '../../content/store.ts';
import { checkDigest } from '../../content/verified.ts';
import { DrayError, ifFound, is, unless } from '../../errors.ts';
import { config, manifest } from '../../images/inspect.ts';
import type { Services } from '../../services/services.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { type Digest, digestOf, parseDigest } from '../../spec/digest.ts';
import { isConfig } from '../../spec/media-types.ts';
import type { PlatformMatcher } from '../../spec/platform.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { Diff } from '../gen/diff_pb.ts';
import { Snapshots } from '../gen/snapshots_pb.ts';
import { toDescriptor } from '../messages.ts';
import { daemonPlugins } from './about.ts';
import type { Session } from './session.ts';

/** How to unpack an image. */
export interface UnpackOptions extends AbortableOptions {
  /** Which snapshotter; the one that the namespace names, else `overlayfs`. */
  readonly snapshotter?: string | undefined;
  /** Which manifest of an index; what runs here if not said. */
  readonly platform?: PlatformMatcher | undefined;
  /** Called for each layer that is a snapshot now, bottom first. */
  readonly onLayer?: ((layer: Descriptor, outcome: 'unpacked' | 'exists') => void) | undefined;
}

/** Labels that containerd's clients know unpacked images by. */
const labels = {
  defaultSnapshotter: 'containerd.io/defaults/snapshotter',
  snapshotReference: 'containerd.io/snapshot.ref',
  uncompressed: 'containerd.io/uncompressed',
  snapshotOfConfig: 'containerd.io/gc.ref.snapshot.',
} as const;

/**
 * Lets a daemon make the layers of an image into snapshots, as its own clients do after a pull, so that containers of it can be
 * started. Layers that are snapshots already are passed over. The image keeps its snapshots. False when there is nothing to do: the
 * daemon keeps no snapshots at all, as a store that is served does, or the target is an artifact.
 * @throws DrayError `not-found` for the snapshotter, and for content; `data-loss`, reason `digest-mismatch`, when a layer is not
 * what the config says; `invalid-argument` when the config has not as many layers as the manifest.
 */
export async function unpackImage(
  session: Session,
  services: Services,
  target: Descriptor,
  options: UnpackOptions = {},
): Promise<boolean> {
  const { signal } = options;
  const snapshotter = await chooseSnapshotter(session, services, options);
  if (snapshotter === undefined) return false;
  const { content, leases } = services;
  const { manifest: found } = await manifest(content, target, options);
  if (!isConfig(found.config.mediaType)) return false;
  const { descriptor, config: image } = await config(content, target, options);
  const diffIds = image.rootfs?.diff_ids ?? [];
  if (diffIds.length !== found.layers.length) throw unequal(target, found.layers.length, diffIds.length);
  const { id: lease } = await leases.create({ expiresAt: inOneDay() }, { signal });
  try {
    const unpacking = { session, snapshotter, lease, signal };
    let parent = '';
    for (const [index, layer] of found.layers.entries()) {
      const diffId = parseDigest(diffIds[index] ?? '');
      const chain: string = parent === '' ? diffId : digestOf(`${parent} ${diffId}`);
      const outcome = await unpackLayer(unpacking, { layer, diffId, parent, chain });
      await addLabels(content, layer.digest, { [labels.uncompressed]: diffId }, { signal });
      options.onLayer?.(layer, outcome);
      parent = chain;
    }
    const key = `${labels.snapshotOfConfig}${snapshotter}`;
    if (parent !== '') await addLabels(content, descriptor.digest, { [key]: parent }, { signal });
  } finally {
    await leases.delete(lease);
  }
  return true;
}

function inOneDay(): Timestamp {
  return new Timestamp(Timestamp.now().nanoseconds + 24n * 60n * 60n * 1_000_000_000n);
}

async function chooseSnapshotter(
  session: Session,
  services: Services,
  { snapshotter, signal }: UnpackOptions,
): Promise<string | undefined> {
  const plugins = await Array.fromAsync(daemonPlugins(session, ['type==io.containerd.snapshotter.v1'], { signal }));
  if (plugins.length === 0) return undefined;
  const name = snapshotter ?? (await defaultSnapshotter(services)) ?? 'overlayfs';
  const found = plugins.find((plugin) => plugin.id === name);
  if (found !== undefined && found.failure === undefined) return name;
  const usable = plugins.filter((plugin) => plugin.failure === undefined).map((plugin) => plugin.id);
  const reason = found?.failure ?? 'there is none of that name';
  throw new DrayError('not-found', `the daemon cannot use snapshotter ${name}: ${reason}`, {
    side: 'store',
    hint: `it has ${usable.join(', ') || 'no other'}`,
  });
}

async function defaultSnapshotter({ namespaces, namespace }: Services): Promise<string | undefined> {
  for await (const { name, labels: known } of namespaces.list())
    if (name === namespace) return known[labels.defaultSnapshotter];
  return undefined;
}

interface Unpacking extends AbortableOptions {
  readonly session: Session;
  readonly snapshotter: string;
  readonly lease: string;
}

interface LayerToUnpack {
  readonly layer: Descriptor;
  /** The digest of the layer without compression. */
  readonly diffId: Digest;
  /** Names of the snapshots below and of this one (chain IDs of the image specification). */
  readonly parent: string;
  readonly chain: string;
}

async function unpackLayer(
  { session, snapshotter, lease, signal }: Unpacking,
  { layer, diffId, parent, chain }: LayerToUnpack,
): Promise<'unpacked' | 'exists'> {
  const options = { lease, signal };
  const isThere = async (): Promise<boolean> =>
    (await ifFound(session.call(Snapshots.method.stat, { snapshotter, key: chain }, options))) !== undefined;
  if (await isThere()) return 'exists';
  const key = `extract-${randomUUID()} ${chain}`;
  const prepare = { snapshotter, key, parent, labels: { [labels.snapshotReference]: chain } };
  try {
    const { mounts } = await session.call(Snapshots.method.prepare, prepare, options);
    const { applied } = await session.call(
      Diff.method.apply,
      { diff: toDescriptor(layer), mounts },
      { ...options, slow: true },
    );
    checkDigest(diffId, parseDigest(applied?.digest ?? ''));
    const commit = { snapshotter, name: chain, key, labels: { [labels.snapshotReference]: chain } };
    const committed = await unless('already-exists', session.call(Snapshots.method.commit, commit, options));
    if (committed !== undefined) return 'unpacked';
    // Somebody else was faster.
    await session.call(Snapshots.method.remove, { snapshotter, key }, options);
    return 'exists';
  } catch (error) {
    // A snapshotter that has the layer from elsewhere says so.
    if (is(error, 'already-exists') && (await isThere())) return 'exists';
    // The reason of the failure counts; the lease ends what could not be removed.
    await session.call(Snapshots.method.remove, { snapshotter, key }, { lease }).catch(() => {});
    throw error;
  }
}

function unequal({ mediaType, digest, size }: Descriptor, layers: number, diffIds: number): DrayError {
  return new DrayError('invalid-argument', `image ${digest} has ${layers} layers, and its config names ${diffIds}`, {
    reason: 'bad-document',
    descriptor: { mediaType, digest, size },
  });
}
