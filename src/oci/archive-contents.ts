import type { Descriptor } from '../spec/descriptor.ts';
import type { ArchiveImage } from './archive-image.ts';

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
