import type {
  ExportOptions,
  ImageTransfers,
  ImportOptions,
  Named,
  NamedOptions,
  PullOptions,
  PushOptions,
  RegistryImage,
} from '../daemon/server/transfer/image-transfers.ts';
import { isWhole, type NamingOptions } from '../oci/names.ts';
import type { RegistryClientOptions } from '../remotes/docker/registry-client.ts';
import { createOrUpdate } from '../services/create-or-update.ts';
import type { Services } from '../services/services.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { type ExportImagesOptions, exportImages } from './archives.ts';
import { callerCredentials } from './caller-credentials.ts';
import { copyImage, type ProgressEvent } from './copy.ts';
import { heldImage } from './held-image.ts';
import { LazyResolver } from './lazy-resolver.ts';
import { withLease } from './lease.ts';
import { RegistryPlace } from './registry-place.ts';
import { selectPlatforms } from './select.ts';
import { StorePlace } from './store-place.ts';

/**
 * Moves images for clients of a store that `serveContainerd` of `dray/daemon` serves. Registries are talked to as `registry`
 * says, but as who the client says it is: never with credentials of this machine.
 */
export function imageTransfers(registry: RegistryClientOptions = {}): ImageTransfers {
  return {
    tag: tagImage,
    import: importImages,
    export: (services, names, options) => exportImages(services, names, exportOptions(options)),
    pull: (services, from, options) => pullImage(services, { ...from, registry }, options),
    push: (services, name, to, options) => pushImage(services, name, { ...to, registry }, options),
  };
}

async function tagImage(services: Services, name: string, { names, labels, signal }: NamedOptions): Promise<void> {
  await withLease(services.leases, { signal }, async (lease) => {
    const { target } = await heldImage(services, name, lease, { signal });
    for (const one of names) await createOrUpdate(services.images, { name: one, target, labels });
  });
}

async function importImages(
  services: Services,
  archive: AsyncIterable<Uint8Array>,
  { platforms, prefix, foreign, compress, ...options }: ImportOptions,
): Promise<readonly Named[]> {
  const { importArchive } = await import('../oci/import.ts');
  return await withLease(services.leases, options, async (lease) => {
    const { images } = await importArchive(services, archive, {
      ...options,
      ...(prefix === undefined ? { indexOnly: true } : namesAsWritten(prefix, foreign)),
      recompress: compress ? 'gzip' : undefined,
      select: selectPlatforms(platforms),
      overwrite: true,
      lease,
    });
    return images;
  });
}

// Containerd's clients find an image by the name that they have put together themselves, so it is not spelled otherwise.
function namesAsWritten(prefix: string, foreign: boolean): NamingOptions {
  return {
    prefix,
    foreign,
    translate: (refName) => {
      if (!isWhole(refName)) return `${prefix}:${refName}`;
      return foreign || (refName.startsWith(prefix) && isWhole(refName.slice(prefix.length)[0] ?? '/'))
        ? refName
        : undefined;
    },
    digestName: (digest) => `${prefix}@${digest}`,
  };
}

function exportOptions({ platforms, layoutOnly, distributableOnly, signal }: ExportOptions): ExportImagesOptions {
  return { platforms, format: layoutOnly ? 'oci' : 'both', distributableOnly, transient: true, signal };
}

async function pullImage(services: Services, from: Talk, options: PullOptions): Promise<Descriptor> {
  const { names, labels, platforms, allMetadata, signal } = options;
  await using resources = new AsyncDisposableStack();
  const source = new RegistryPlace(resolverFor(from, resources), from.reference);
  const target = new StorePlace(services, source.name, { names });
  const onProgress = progressOf(options);
  const { root } = await copyImage(source, target, { labels, platforms, allMetadata, onProgress, signal });
  return root;
}

async function pushImage(services: Services, name: string, to: Talk, options: PushOptions): Promise<void> {
  const { platforms, signal } = options;
  await using resources = new AsyncDisposableStack();
  const target = new RegistryPlace(resolverFor(to, resources), to.reference);
  await copyImage(new StorePlace(services, name), target, { platforms, onProgress: progressOf(options), signal });
}

/** An image of a registry, and how the server talks to registries in general. */
interface Talk extends RegistryImage {
  readonly registry: RegistryClientOptions;
}

// A client for each call: what one caller may see, another one may not.
function resolverFor(
  { registry, plainHttp, hostsDirectory, authenticate }: Talk,
  resources: AsyncDisposableStack,
): LazyResolver {
  return new LazyResolver(
    {
      ...registry,
      plainHttp: plainHttp || registry.plainHttp,
      hostsDirectory: hostsDirectory ?? registry.hostsDirectory,
      credentials: callerCredentials(authenticate),
    },
    resources,
  );
}

function progressOf({
  onResolved,
  onEvent,
}: Pick<PullOptions, 'onResolved' | 'onEvent'>): (event: ProgressEvent) => void {
  return (event) => {
    if (event.type === 'resolved') onResolved?.(event.target);
    if (event.type === 'blob') onEvent?.(event);
  };
}
