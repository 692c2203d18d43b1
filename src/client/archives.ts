import type { AbortableOptions, Labels } from '../content/store.ts';
import type { PlanOptions } from '../oci/plan.ts';
import { createOrUpdate } from '../services/create-or-update.ts';
import type { Services } from '../services/services.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { isSchema1 } from '../spec/media-types.ts';
import { heldImage } from './held-image.ts';
import { withLease } from './lease.ts';
import { convertedLabel, convertStored, type Schema1Options, schema1Options } from './schema1.ts';
import { type PlatformSelection, selectPlatforms } from './select.ts';
import { canonicalName, findImage } from './store-place.ts';

/** Options of an import into a store. */
export interface ImportImagesOptions extends AbortableOptions {
  /** Takes one image under this name and no other; a reference in its canonical spelling, any other text as it is. */
  readonly name?: string | undefined;
  /** Which image `name` stands for: a tag, a whole name or a digest. The tag of `name` itself if not said. */
  readonly object?: string | undefined;
  /** A repository: names that are only tags become its tags, and no name may lie outside it. */
  readonly prefix?: string | undefined;
  /** Lets names lie outside the prefix. */
  readonly foreign?: boolean | undefined;
  /** Names images by digest: all, or those without another name. */
  readonly digests?: 'all' | 'unnamed' | undefined;
  /** Also names the whole index of a layout; spelled as `name` is. */
  readonly indexName?: string | undefined;
  /** Lets names move that stand for something else so far. */
  readonly overwrite?: boolean | undefined;
  readonly labels?: Labels | undefined;
  /** Which platforms have to be whole; those that are there if not said. */
  readonly platforms?: PlatformSelection;
  /** Keeps images that lack some of their content instead of refusing them. */
  readonly skipMissing?: boolean | undefined;
  /** Compresses the layers of a docker archive, which changes the digest of the image. */
  readonly recompress?: 'gzip' | 'zstd' | undefined;
  /** Converts images of Docker schema 1; `true` as containerd did. Refused if not said. */
  readonly convertSchema1?: boolean | Schema1Options | undefined;
  readonly onProgress?: ((event: ImportEvent) => void) | undefined;
}

/** One entry of an archive on its way into the store; sizes are bytes. */
export interface ImportEvent {
  readonly entry: string;
  readonly state: 'active' | 'stored' | 'exists';
  readonly offset: number;
  readonly size: number;
}

/** What an import brought. */
export interface Imported {
  readonly images: readonly {
    readonly name: string;
    readonly target: Descriptor;
    readonly outcome: 'created' | 'updated' | 'exists';
  }[];
  /** Images that got no name; nothing keeps their content. */
  readonly unnamed: readonly Descriptor[];
}

/** As `Client.import` does, into any services. */
export async function importImages(
  services: Services,
  source: AsyncIterable<Uint8Array> | string,
  { platforms, skipMissing, name, indexName, ...options }: ImportImagesOptions,
): Promise<Imported> {
  const { importArchive } = await import('../oci/import.ts');
  const { signal } = options;
  const schema1 = schema1Options(options.convertSchema1);
  return await withLease(services.leases, { signal }, async (lease) => {
    const { images, unnamed } = await importArchive(services, source, {
      ...options,
      name: name === undefined ? undefined : canonicalName(name),
      indexName: indexName === undefined ? undefined : canonicalName(indexName),
      lease,
      convertSchema1: schema1 && ((target) => convertStored(services, target, { ...schema1, lease, signal })),
      select: platforms === undefined ? undefined : selectPlatforms(platforms),
      missing: skipMissing === true ? 'skip' : 'error',
      onEvent: options.onProgress,
    });
    return { images, unnamed: unnamed.map((image) => image.target) };
  });
}

/** Options of an export from a store. */
export interface ExportImagesOptions extends AbortableOptions {
  readonly format?: 'oci' | 'docker' | 'both' | undefined;
  /** Whose content goes out; all that is named, if not said. */
  readonly platforms?: PlatformSelection;
  /** Leaves missing content out instead of failing. */
  readonly skipMissing?: boolean | undefined;
  /** Leaves out layers that their owner does not want to be distributed. */
  readonly distributableOnly?: boolean | undefined;
  /** Also what refers to the images and is in the store. */
  readonly referrers?: boolean | undefined;
  /** Whoever reads is done with a chunk before asking for the next, so its memory may be used again. */
  readonly transient?: boolean | undefined;
  /** Annotations for the entries of the index. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** As `Client.export` does, from any services. */
export async function* exportImages(
  services: Services,
  names: readonly string[],
  options: ExportImagesOptions = {},
): AsyncGenerator<Uint8Array> {
  const { exportArchive } = await import('../oci/export.ts');
  yield* exportArchive(services.content, await exported(services, names, options), {
    ...(await planOf(services, options)),
    format: options.format,
    transient: options.transient,
  });
}

/** Options of an export into a layout directory. */
export interface ExportToLayoutOptions extends Omit<ExportImagesOptions, 'format'> {
  /** Blobs on the same disk are linked or cloned instead of copied. */
  readonly sharing?: 'hard' | 'reflink' | undefined;
}

/** As `Client.exportLayout` does, from any services. */
export async function exportToLayout(
  services: Services,
  names: readonly string[],
  directory: string,
  options: ExportToLayoutOptions = {},
): Promise<void> {
  const { exportLayout } = await import('../oci/export-layout.ts');
  const { sharing } = options;
  await exportLayout(services.content, await exported(services, names, options), directory, {
    ...(await planOf(services, options)),
    sharing,
  });
}

async function exported(
  services: Services,
  names: readonly string[],
  { annotations, signal }: ExportImagesOptions,
): Promise<{ target: Descriptor; names: string[] }[]> {
  const images = await Promise.all(names.map((name) => findImage(services.images, name, { signal })));
  return images.map(({ name, target }) => ({
    target: annotations === undefined ? target : { ...target, annotations: { ...target.annotations, ...annotations } },
    names: [name],
  }));
}

async function planOf({ content }: Services, options: ExportImagesOptions): Promise<PlanOptions> {
  const { platforms, skipMissing, distributableOnly, signal } = options;
  const { referrersIn } = await import('./store-referrers.ts');
  return {
    select: selectPlatforms(platforms ?? 'all'),
    missing: skipMissing === true ? 'skip' : 'error',
    nonDistributable: distributableOnly !== true,
    referrers:
      options.referrers === true ? (target: Descriptor) => Array.fromAsync(referrersIn(content, target)) : undefined,
    signal,
  };
}

/** Options of `Client.convert`. */
export interface ConvertOptions extends AbortableOptions {
  readonly family: 'oci' | 'docker';
  /** How an image of Docker schema 1 is converted; as containerd did if not said. */
  readonly schema1?: Omit<Schema1Options, 'family'> | undefined;
  readonly platforms?: PlatformSelection;
  readonly skipMissing?: boolean | undefined;
}

/** What a conversion made. */
export interface Converted {
  readonly name: string;
  readonly target: Descriptor;
  /** What the other family cannot say, in words. */
  readonly losses: readonly { readonly digest: string; readonly what: string }[];
}

/** As `Client.convert` does, in any services. */
export async function convertImage(
  services: Services,
  name: string,
  newName: string,
  { family, platforms, skipMissing, schema1, signal }: ConvertOptions,
): Promise<Converted> {
  const { convertMediaTypes } = await import('../oci/translate.ts');
  return await withLease(services.leases, { signal }, async (lease) => {
    const image = await heldImage(services, name, lease, { signal });
    if (isSchema1(image.target.mediaType)) {
      const target = await convertStored(services, image.target, { ...schema1, family, lease, signal });
      const labels = { ...image.labels, [convertedLabel]: image.target.digest };
      return await nameConverted(services, newName, target, labels);
    }
    const { target, losses } = await convertMediaTypes(services.content, image.target, family, {
      lease,
      select: selectPlatforms(platforms ?? 'all'),
      missing: skipMissing === true ? 'skip' : 'error',
      signal,
    });
    return { ...(await nameConverted(services, newName, target, image.labels)), losses };
  });
}

async function nameConverted(
  { images }: Services,
  newName: string,
  target: Descriptor,
  labels: Labels,
): Promise<Converted> {
  const name = canonicalName(newName);
  await createOrUpdate(images, { name, target, labels });
  return { name, target, losses: [] };
}
