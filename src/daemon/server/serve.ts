import { randomUUID } from 'node:crypto';
import type { AbortableOptions } from '../../content/store.ts';
import { Collection } from '../../services/collection.ts';
import { Content } from '../gen/content_pb.ts';
import { Images } from '../gen/images_pb.ts';
import { type FinishedCall, startGrpcServer } from '../grpc/server.ts';
import type { Routes } from '../grpc/service.ts';
import { aboutServices } from './about.ts';
import { whyAbsent } from './absent.ts';
import { contentService } from './content.ts';
import { eventsService } from './events.ts';
import { imagesService } from './images.ts';
import { leasesService } from './leases.ts';
import { namespacesService } from './namespaces.ts';
import { OpenReaders } from './open-readers.ts';
import { dedicate } from './plugin.ts';
import { snapshotsService } from './snapshots.ts';
import type { ServedStore, Tenants } from './tenant.ts';
import type { ImageTransfers } from './transfer/image-transfers.ts';
import { streamingService } from './transfer/streaming.ts';
import { Streams } from './transfer/streams.ts';
import { transferService } from './transfer/transfer.ts';

/** How a store is served. */
export interface ServeContainerdOptions {
  /**
   * Serves content alone, all of it in this namespace, for a containerd that uses it as its content plugin. The namespace is the
   * daemon's own: what is in it and the daemon does not know, the daemon's collector deletes.
   */
  readonly pluginNamespace?: string | undefined;
  /** What clients are told; `dray` if not said. */
  readonly version?: string | undefined;
  readonly onCall?: ((call: FinishedCall) => void) | undefined;
  /**
   * Collects what nothing needs any more, the files of deleted content among it; called a while after deletions and now and
   * then. Never if not said.
   */
  readonly collect?: ((options: AbortableOptions) => Promise<unknown>) | undefined;
  /** Milliseconds from a deletion to the collection that it causes; 1 second if not said. */
  readonly collectDelay?: number | undefined;
  /**
   * Moves images for clients that leave it to the server, as `ctr` 2.x does; `imageTransfers` of `dray` makes it. They are told
   * to do it themselves if not said. Not for a plugin.
   */
  readonly images?: ImageTransfers | undefined;
  /** Told of a collection that failed. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** A store that is served. Whoever started it closes it, before the store. */
export interface ContainerdServer extends AsyncDisposable {
  /** The path of the socket. */
  readonly address: string;
}

/**
 * Serves a store at a unix socket as containerd serves its own: content, images, namespaces, leases, events, introspection,
 * version and health, and with `images` transfers and their streams. The socket is for its owner alone.
 * @throws DrayError `unavailable` when somebody listens there; `permission-denied`; `failed-precondition` when the namespace for
 * a plugin holds what is not the daemon's.
 */
export async function serveContainerd(
  store: ServedStore,
  address: string,
  options: ServeContainerdOptions = {},
): Promise<ContainerdServer> {
  const { pluginNamespace } = options;
  const plugin = pluginNamespace !== undefined;
  if (plugin) await dedicate(store, pluginNamespace);
  await using undo = new AsyncDisposableStack();
  const readers = undo.use(new OpenReaders());
  const collection = undo.use(collectionOf(options));
  undo.use(
    await startGrpcServer({
      path: address,
      routes: routesOver(store, readers, options),
      whyAbsent: (path) => whyAbsent(path, plugin),
      onCall: (call) => {
        if (call.code === 0 && deletions.has(call.method)) collection.wanted();
        options.onCall?.(call);
      },
    }),
  );
  const parts = undo.move();
  return { address, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

function routesOver(store: ServedStore, readers: OpenReaders, options: ServeContainerdOptions): Routes {
  const { pluginNamespace, images, version = 'dray' } = options;
  const tenants = { store, only: pluginNamespace };
  const plugin = pluginNamespace !== undefined;
  const content = contentService({ ...tenants, readers, plugin });
  const others = [imagesService, namespacesService, leasesService, eventsService, snapshotsService].map((service) =>
    service(tenants),
  );
  const transfers = plugin || images === undefined ? [] : transferServices(tenants, images);
  const services = [
    'content',
    ...(plugin ? [] : ['images', 'namespaces', 'leases', 'events']),
    ...(transfers.length === 0 ? [] : ['transfer', 'streaming']),
    ...['version', 'introspection', 'healthcheck'],
  ];
  const about = aboutServices({ version, services, uuid: randomUUID() });
  return new Map([content, ...(plugin ? [] : others), ...transfers, ...about].flatMap((service) => [...service]));
}

function transferServices(tenants: Tenants, images: ImageTransfers): Routes[] {
  const streams = new Streams();
  return [streamingService(tenants, streams), transferService({ tenants, streams, images })];
}

const deletions: ReadonlySet<string> = new Set(
  [Content, Images].map((service) => `/${service.typeName}/${service.method.delete.name}`),
);

function collectionOf({ collect, collectDelay: delay, onError = () => {} }: ServeContainerdOptions): Collection {
  return new Collection(collect && { collect, delay, onError });
}
