import { DrayError } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { isConfig, isIndex, isManifest } from '../spec/media-types.ts';
import { familiarReference } from '../spec/reference.ts';
import type { DockerManifest } from './docker-archive.ts';
import { nameOfDigest } from './entry-name.ts';
import type { ExportImage } from './export-index.ts';
import { compareText } from './index-encoding.ts';
import { tryReference } from './names.ts';
import type { Plan } from './plan.ts';

/**
 * What a docker-archive says of the images, in an order of its own. An image that cannot be in one is left out, unless the
 * archive is to be nothing else.
 * @throws DrayError `invalid-argument` for such an image in the format `docker`.
 */
export function dockerManifests(
  plan: Plan,
  images: readonly ExportImage[],
  format: 'docker' | 'both',
): DockerManifest[] {
  const found = new Map<Digest, { manifest: DockerManifest; tags: Set<string> }>();
  for (const { target, names = [] } of images) {
    const image = imageIn(plan, target);
    const manifest = image === undefined ? undefined : dockerManifest(plan, image);
    if (image === undefined || manifest === undefined) {
      if (format === 'docker') throw noDockerImage(target);
      continue;
    }
    const entry = found.get(image.digest) ?? { manifest, tags: new Set() };
    for (const name of names) {
      const reference = tryReference(name);
      if (reference?.tag !== undefined) entry.tags.add(familiarReference({ ...reference, digest: undefined }));
    }
    found.set(image.digest, entry);
  }
  const items = [...found.values()].map(({ manifest, tags }) => ({
    Config: manifest.Config,
    RepoTags: tags.size === 0 ? null : [...tags].sort(),
    Layers: manifest.Layers,
  }));
  const key = ({ RepoTags, Config }: { RepoTags: string[] | null; Config: string }): string =>
    `${RepoTags?.[0] ?? '\uffff'} ${Config}`;
  return items.sort((a, b) => compareText(key(a), key(b)));
}

/** The `manifest.json` of an archive. */
export function encodeDockerManifests(manifests: readonly DockerManifest[]): Buffer {
  return Buffer.from(JSON.stringify(manifests));
}

/** The first manifest of an image that goes out and can run; of an index the first one in order. */
function imageIn(plan: Plan, target: Descriptor): Descriptor | undefined {
  const children = plan.children.get(target.digest) ?? [];
  if (isManifest(target.mediaType)) {
    const isRunnable = target.platform?.os !== 'unknown' && children.some(({ mediaType }) => isConfig(mediaType));
    return isRunnable ? target : undefined;
  }
  if (!isIndex(target.mediaType)) return undefined;
  for (const child of children) {
    const found = imageIn(plan, child);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What `manifest.json` says of an image; undefined when a part of it does not go out. */
function dockerManifest(plan: Plan, image: Descriptor): DockerManifest | undefined {
  const [config, ...layers] = plan.children.get(image.digest) ?? [];
  if (config === undefined || [config, ...layers].some(({ digest }) => !plan.objects.has(digest))) return undefined;
  return { Config: nameOfDigest(config.digest), Layers: layers.map(({ digest }) => nameOfDigest(digest)) };
}

/** The configs and layers that those images need. */
export function dockerBlobs(plan: Plan, manifests: readonly DockerManifest[]): Descriptor[] {
  const names = new Set(manifests.flatMap(({ Config, Layers = [] }) => [Config, ...Layers]));
  return [...plan.objects.values()].filter(({ digest }) => names.has(nameOfDigest(digest)));
}

function noDockerImage({ mediaType, digest, size }: Descriptor): DrayError {
  return new DrayError('invalid-argument', `${digest} has no place in a docker-archive`, {
    side: 'source',
    descriptor: { mediaType, digest, size },
    hint: 'a docker-archive holds images whose content is all there; use --format oci for anything else',
  });
}
