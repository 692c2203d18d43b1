/**
 * The media types of both image families and what they mean (image-spec media-types.md; containerd's images package for the
 * predicates).
 */
export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  ociLayout: 'application/vnd.oci.layout.header.v1+json',
  ociArtifact: 'application/vnd.oci.artifact.manifest.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociForeignLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  ociForeignLayerGzip: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ociForeignLayerZstd: 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  dockerForeignLayerGzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  inToto: 'application/vnd.in-toto+json',
  octetStream: 'application/octet-stream',
} as const;

/** A manifest that lists a config and layers, of either family. */
export function isManifest(mediaType: string): boolean {
  return mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.dockerManifest;
}

/** An index or manifest list, of either family. */
export function isIndex(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerManifestList;
}

/** The withdrawn artifact manifest of the image-spec release candidates: a list of blobs without a config. */
export function isArtifact(mediaType: string): boolean {
  return mediaType === mediaTypes.ociArtifact;
}

/** Docker's first manifest format, signed or not. */
export function isSchema1(mediaType: string): boolean {
  return mediaType === mediaTypes.dockerSchema1 || mediaType === mediaTypes.dockerSchema1Signed;
}

/** Anything that a registry serves under `/manifests/`. */
export function isManifestLike(mediaType: string): boolean {
  return isManifest(mediaType) || isIndex(mediaType) || isArtifact(mediaType) || isSchema1(mediaType);
}

/** An image config, of either family. */
export function isConfig(mediaType: string): boolean {
  return mediaType === mediaTypes.ociConfig || mediaType === mediaTypes.dockerConfig;
}

/** A file system layer, whatever its compression or suffixes. */
export function isLayer(mediaType: string): boolean {
  if (mediaType.startsWith('application/vnd.oci.image.layer.')) return true;
  return /^application\/vnd\.docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip|\.zstd)?(\+.*)?$/.test(mediaType);
}

/** A layer that its owner does not want in other registries. */
export function isNonDistributable(mediaType: string): boolean {
  return (
    mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.') ||
    mediaType.startsWith('application/vnd.docker.image.rootfs.foreign.')
  );
}

/** How a layer says it is packed. `unknown`: docker's plain type, under which compressed layers are met as well. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'unknown';

/** The compression that a layer's media type announces; undefined for what is not a layer or has a foreign suffix. */
export function compressionOf(mediaType: string): Compression | undefined {
  if (!isLayer(mediaType)) return undefined;
  const [base = '', ...suffixes] = mediaType.split('+');
  if (base.endsWith('.gzip')) return 'gzip';
  if (base.endsWith('.zstd')) return 'zstd';
  if (base.startsWith('application/vnd.docker.')) return 'unknown';
  const known = suffixes.filter((suffix) => suffix !== 'encrypted');
  if (known.length === 0) return 'none';
  return known[0] === 'gzip' || known[0] === 'zstd' ? known[0] : undefined;
}

/** What a resolver asks for, best first. One header line, since some servers read only the first. */
export const manifestAccept: string = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerManifestList,
  mediaTypes.dockerManifest,
  mediaTypes.ociArtifact,
  mediaTypes.dockerSchema1Signed,
  mediaTypes.dockerSchema1,
  '*/*',
].join(', ');
