import type { Descriptor } from '../spec/descriptor.ts';
import { parseIndex } from '../spec/documents.ts';

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
