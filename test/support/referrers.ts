import type { Descriptor } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { document, type RandomBlob } from '../../src/testing/random.ts';

/** The config of every document that {@link about} makes. */
export const emptyConfig: RandomBlob = document(mediaTypes.ociEmpty, {});

/** A document about an object, of some type if that is said; `id` makes it another one. */
export function about(subject: Descriptor, id: string, artifactType?: string): RandomBlob {
  return document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    ...(artifactType === undefined ? {} : { artifactType }),
    config: emptyConfig.descriptor,
    layers: [],
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    annotations: { id },
  });
}
