import { DrayError } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { documentLimit, fanOutLimit, parseIndex, parseLayout } from '../spec/documents.ts';
import { mediaTypes } from '../spec/media-types.ts';
import { badArchive, shown } from './archive-error.ts';
import type { Catalog } from './catalog.ts';
import { type DockerOptions, dockerContents } from './docker-archive.ts';
import { legacyContents } from './legacy-archive.ts';

/** Annotations of the descriptors in `index.json`. */
export const annotations = {
  /** A tag or a whole name (image-spec annotations.md). */
  refName: 'org.opencontainers.image.ref.name',
  /** containerd's: the whole name of the image. */
  imageName: 'io.containerd.image.name',
  /** containerd's: this object refers to the one with that digest. */
  subject: 'io.containerd.manifest.subject',
} as const;

/** One image that an archive or a layout lists. */
export interface ArchiveImage {
  /** Without the annotations that name it. */
  readonly target: Descriptor;
  /** Its whole name, where the archive has one. */
  readonly imageName?: string | undefined;
  /** A tag or a whole name. */
  readonly refName?: string | undefined;
  /** The object that it refers to; it gets no name then. */
  readonly subject?: string | undefined;
}

/** A document that is in no archive but made from what is there. */
export interface MadeDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** What an archive or a layout turned out to hold. */
export interface ArchiveContents {
  /** `docker-v1` is the form of Docker before 1.10, which has `repositories` only. */
  readonly format: 'oci' | 'docker' | 'docker-v1';
  readonly images: readonly ArchiveImage[];
  /** Manifests, and configs, that had to be made. */
  readonly documents: readonly MadeDocument[];
  /** The bytes of `index.json`, if it was that which counted. */
  readonly index?: Uint8Array | undefined;
}

/**
 * Makes sense of an archive: an OCI layout if there is an index with something in it, else a docker-archive by its
 * `manifest.json`, else by its `repositories`.
 * @throws DrayError `invalid-argument`, reason `bad-archive` or `bad-document`; `data-loss`, reason `digest-mismatch`, when a
 * layer is not what its config says.
 */
export async function contentsOf(catalog: Catalog, options: DockerOptions = {}): Promise<ArchiveContents> {
  checkLayout(catalog.document('oci-layout'));
  const index = catalog.document('index.json');
  const images = index === undefined ? [] : imagesOfIndex(index);
  if (index !== undefined && images.length > 0) return { format: 'oci', images, documents: [], index };
  const manifests = catalog.document('manifest.json');
  if (manifests !== undefined) return dockerContents(catalog, manifests, options);
  const repositories = catalog.document('repositories');
  if (index === undefined && repositories !== undefined) return legacyContents(catalog, repositories, options);
  if (index !== undefined) throw badArchive('its index.json lists no image');
  throw badArchive('it has neither index.json nor manifest.json nor repositories', {
    hint: 'make it with docker save, skopeo copy or ctr images export',
  });
}

/** The only version of the layout there is. */
const layoutVersion = '1.0.0';

/** @throws DrayError `invalid-argument`, reason `bad-archive`, for a version that nobody knows. */
export function checkLayout(bytes: Uint8Array | undefined): void {
  if (bytes === undefined) return;
  const { imageLayoutVersion } = parseLayout(bytes);
  if (imageLayoutVersion === layoutVersion) return;
  throw badArchive(`its layout has the unknown version ${shown(imageLayoutVersion)}`, {
    hint: `the version that is known is ${layoutVersion}`,
  });
}

/** The images that an `index.json` lists, each entry one. */
export function imagesOfIndex(bytes: Uint8Array): ArchiveImage[] {
  return parseIndex(bytes).manifests.map(imageOf);
}

function imageOf(entry: Descriptor): ArchiveImage {
  const { annotations: all, ...bare } = entry;
  const own: Record<string, string> = { ...all };
  const take = (key: string): string | undefined => {
    const value = own[key];
    delete own[key];
    return value === '' ? undefined : value;
  };
  const [imageName, refName, subject] = [annotations.imageName, annotations.refName, annotations.subject].map(take);
  const target = Object.keys(own).length === 0 ? bare : { ...bare, annotations: own };
  return {
    target,
    ...(imageName === undefined ? {} : { imageName }),
    ...(refName === undefined ? {} : { refName }),
    ...(subject === undefined ? {} : { subject }),
  };
}

/** The entry of an index for an image, with the annotations that name it. */
export function entryOf({ target, imageName, refName, subject }: ArchiveImage): Descriptor {
  const naming = {
    ...(imageName === undefined ? {} : { [annotations.imageName]: imageName }),
    ...(refName === undefined ? {} : { [annotations.refName]: refName }),
    ...(subject === undefined ? {} : { [annotations.subject]: subject }),
  };
  return { ...target, annotations: { ...target.annotations, ...naming } };
}

/** The index of a layout that lists these descriptors, in their order. @throws DrayError as {@link encodeReadable} does. */
export function encodeIndex(manifests: readonly Descriptor[]): Buffer {
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: manifests.map(orderedDescriptor) };
  return encodeReadable(index);
}

/**
 * The bytes of an index, when they can be read again: one entry too many would take the others with it.
 * @throws DrayError `failed-precondition` over the limits of a document.
 */
export function encodeReadable(index: { readonly manifests: readonly Descriptor[] }): Buffer {
  const bytes = Buffer.from(JSON.stringify(index));
  const { length } = index.manifests;
  if (length <= fanOutLimit && bytes.byteLength <= documentLimit) return bytes;
  throw new DrayError(
    'failed-precondition',
    `an index of ${length} entries, ${bytes.byteLength} bytes, is over the limit of ${fanOutLimit} entries and ${documentLimit} bytes`,
    { hint: 'put some of the images into another layout or archive' },
  );
}

/** The `oci-layout` file. */
export function encodeLayout(): Buffer {
  return Buffer.from(JSON.stringify({ imageLayoutVersion: layoutVersion }));
}

/** The order of texts by their UTF-16 units, which is the same everywhere. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

const descriptorKeys = ['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'platform', 'artifactType'];
const platformKeys = ['architecture', 'os', 'os.version', 'os.features', 'variant'];

/** The descriptor with its keys in the order that Go writes them, so that the same one gives the same bytes. */
export function orderedDescriptor(descriptor: Descriptor): Descriptor {
  const { annotations: all = {}, platform } = descriptor;
  const names = Object.keys(all).sort(compareText);
  return picked(
    {
      ...descriptor,
      annotations: names.length === 0 ? undefined : picked(all, names),
      platform: platform === undefined ? undefined : picked(platform, platformKeys),
    },
    descriptorKeys,
  );
}

/** An object with no other than these keys, in this order, as far as it has them. */
function picked<T extends object>(value: T, keys: readonly string[]): T {
  const entries = keys.map((key) => [key, (value as Record<string, unknown>)[key]] as const);
  return Object.fromEntries(entries.filter(([, one]) => one !== undefined)) as T;
}
