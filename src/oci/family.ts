import { mediaTypes } from '../spec/media-types.ts';

/** Whose media types: those of the image specification, or Docker's. */
export type Family = 'oci' | 'docker';

const pairs: readonly (readonly [docker: string, oci: string])[] = [
  [mediaTypes.dockerManifest, mediaTypes.ociManifest],
  [mediaTypes.dockerManifestList, mediaTypes.ociIndex],
  [mediaTypes.dockerConfig, mediaTypes.ociConfig],
  [mediaTypes.dockerLayer, mediaTypes.ociLayer],
  [mediaTypes.dockerLayerGzip, mediaTypes.ociLayerGzip],
  [mediaTypes.dockerLayerZstd, mediaTypes.ociLayerZstd],
  [mediaTypes.dockerForeignLayer, mediaTypes.ociForeignLayer],
  [mediaTypes.dockerForeignLayerGzip, mediaTypes.ociForeignLayerGzip],
];

const toOci = new Map(pairs);
const toDocker = new Map(pairs.map(([docker, oci]) => [oci, docker]));

/** The media type that means the same in a family; undefined when the family has none. */
export function translateMediaType(mediaType: string, family: Family): string | undefined {
  const [there, here] = family === 'oci' ? [toOci, toDocker] : [toDocker, toOci];
  return there.get(mediaType) ?? (here.has(mediaType) ? mediaType : undefined);
}

/** Docker's media types of layers, by how those are packed. */
export const dockerLayerTypes: Readonly<Record<'none' | 'gzip' | 'zstd', string>> = {
  none: mediaTypes.dockerLayer,
  gzip: mediaTypes.dockerLayerGzip,
  zstd: mediaTypes.dockerLayerZstd,
};
