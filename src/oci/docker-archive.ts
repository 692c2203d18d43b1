import * as z from 'zod/mini';
import { packingBytes, packingOf, unpacked } from '../content/compression.ts';
import { collect } from '../content/documents.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { type Descriptor, describe } from '../spec/descriptor.ts';
import { createHasher, type Digest } from '../spec/digest.ts';
import { type ImageConfig, parseImageConfig, readJson } from '../spec/documents.ts';
import { ambiguityIn } from '../spec/json-text.ts';
import { mediaTypes } from '../spec/media-types.ts';
import { normalizePlatform, type Platform } from '../spec/platform.ts';
import { formatReference } from '../spec/reference.ts';
import { inEnglish, nullable, objectInAnyCase } from '../spec/schemas.ts';
import type { ArchiveContents, MadeDocument } from './archive-contents.ts';
import { badArchive, incomplete, shown, tooMuch } from './archive-error.ts';
import type { ArchiveImage } from './archive-image.ts';
import type { ArchiveFile, Catalog } from './catalog.ts';
import { entryName } from './entry-name.ts';
import { dockerLayerTypes } from './family.ts';
import { tryReference } from './names.ts';

/** How the layers of a docker-archive become those of an image. */
export interface DockerOptions extends AbortableOptions {
  /** Puts another blob in the place of a layer, for example a compressed one. */
  readonly layer?: ((file: ArchiveFile, layer: Descriptor) => Promise<Descriptor>) | undefined;
  /** The most bytes a document may have. */
  readonly documentLimit?: number | undefined;
}

const manifestsSchema = z
  .array(
    objectInAnyCase({
      Config: z.string(),
      RepoTags: nullable(z.array(z.string())),
      Layers: nullable(z.array(z.string()).check(z.maxLength(10_000))),
    }),
  )
  .check(z.maxLength(10_000));

/** What Docker 1.10 and later list in `manifest.json`: one image. */
export interface DockerManifest {
  readonly Config: string;
  readonly RepoTags?: readonly string[] | null | undefined;
  readonly Layers?: readonly string[] | undefined;
}

/** Reads a `manifest.json`. @throws DrayError `invalid-argument`, reason `bad-archive`. */
function parseDockerManifests(bytes: Uint8Array): readonly DockerManifest[] {
  const found = parseJson(bytes, 'manifest.json');
  const result = manifestsSchema.safeParse(found, inEnglish);
  if (result.success) return result.data;
  if (!Array.isArray(found)) throw badArchive('manifest.json is no list of images', { hint: directoryHint });
  const issue = result.error.issues[0];
  throw badArchive(`manifest.json: ${issue?.message ?? 'it has the wrong shape'} at ${issue?.path.join('.') || 'top'}`);
}

const directoryHint = "for a directory that skopeo's dir: has written: dray copy dir:DIR store:REF";

/** A document of an archive as JSON. @throws DrayError `invalid-argument`, reason `bad-archive`. */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  let value: unknown;
  try {
    value = readJson(bytes);
  } catch (error) {
    throw badArchive(`${what} is not JSON`, { cause: error });
  }
  const problem = ambiguityIn(new TextDecoder().decode(bytes));
  if (problem !== undefined) throw badArchive(`${what}: ${problem}`);
  return value;
}

/**
 * The images of a docker-archive. Each gets a manifest made from its config and layers, in Docker's media types and with
 * the bytes that containerd gives it, so that both come to one digest. The layers have to be those that the config names.
 * @throws DrayError `invalid-argument`, reason `bad-archive` or `bad-document`; `data-loss`, reason `digest-mismatch`.
 */
export async function dockerContents(
  catalog: Catalog,
  manifests: Uint8Array,
  options: DockerOptions = {},
): Promise<ArchiveContents> {
  const made = new MadeImages(options);
  const configs = new Map<Digest, DescribedConfig>();
  for (const { Config, RepoTags, Layers } of parseDockerManifests(manifests)) {
    const file = fileOf(catalog, Config, 'config');
    const digest = await file.digest();
    const config = configs.get(digest) ?? describeConfig(await collect(file.open(), options.documentLimit));
    configs.set(digest, config);
    const files = (Layers ?? []).map((name) => fileOf(catalog, name, 'layer'));
    await made.add(config, files, RepoTags ?? []);
  }
  if (made.images.length === 0) throw badArchive('its manifest.json lists no image');
  return { format: 'docker', images: made.images, documents: made.documents };
}

function fileOf(catalog: Catalog, name: string, what: string): ArchiveFile {
  const file = catalog.file(entryName(name));
  if (file === undefined) throw incomplete(`${what} ${shown(name)} is not in it`);
  return file;
}

/** A config with what its manifest needs to know of it. */
export interface DescribedConfig {
  readonly descriptor: Descriptor;
  readonly platform: Platform | undefined;
  readonly diffIds: readonly Digest[];
}

/** Looks at a config. @throws DrayError `invalid-argument`, reason `bad-document`. */
export function describeConfig(bytes: Uint8Array): DescribedConfig {
  const config = parseImageConfig(bytes);
  return {
    descriptor: describe(mediaTypes.dockerConfig, bytes),
    platform: platformOf(config),
    diffIds: config.rootfs?.diff_ids ?? [],
  };
}

function platformOf({ os, architecture, variant, ...rest }: ImageConfig): Platform | undefined {
  if (os === '' || architecture === '') return undefined;
  const { 'os.version': version, 'os.features': features } = rest;
  return normalizePlatform({
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(features === undefined ? {} : { 'os.features': features }),
  });
}

/** The most layers and names that the images of an archive may have together. */
const partLimit = 100_000;

/** Images whose manifests are made, one after another. */
export class MadeImages {
  readonly images: ArchiveImage[] = [];
  readonly documents: MadeDocument[] = [];
  readonly layers: LayerReader;
  #parts = 0;

  constructor(options: DockerOptions) {
    this.layers = new LayerReader(options);
  }

  /**
   * Makes the manifest of an image, which gets one name for each tag or none. A tag that is no reference is left to the rules
   * for names.
   * @throws DrayError as {@link dockerContents} does; `resource-exhausted`, reason `bad-archive`, when it is too much with those
   * before it, since a few short names of one layer make a long manifest.
   */
  async add(config: DescribedConfig, files: readonly ArchiveFile[], tags: readonly string[]): Promise<void> {
    this.#parts += files.length + tags.length;
    if (this.#parts > partLimit) throw tooMuch(`images of more than ${partLimit} layers and names together`);
    const { descriptor, diffIds } = config;
    if (diffIds.length !== files.length)
      throw badArchive(`config ${descriptor.digest} names ${diffIds.length} layers, and there are ${files.length}`);
    const layers: Descriptor[] = [];
    for (const [index, file] of files.entries()) layers.push(await this.layers.describe(file, diffIds[index]));
    const mediaType = mediaTypes.dockerManifest;
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers }));
    const target = describe(mediaType, bytes);
    this.documents.push({ descriptor: target, bytes });
    const described = config.platform === undefined ? target : { ...target, platform: config.platform };
    if (tags.length === 0) this.images.push({ target: described });
    for (const tag of tags) this.images.push(namedImage(described, tag));
  }
}

function namedImage(target: Descriptor, tag: string): ArchiveImage {
  const reference = tryReference(tag);
  if (reference === undefined) return { target, refName: tag };
  return { target, imageName: formatReference(reference), refName: reference.tag };
}

/** Describes layers by their content, each file once. */
export class LayerReader {
  readonly #options: DockerOptions;
  readonly #known = new Map<Digest, { readonly descriptor: Descriptor; readonly diffId: Digest }>();

  constructor(options: DockerOptions) {
    this.#options = options;
  }

  /** @throws DrayError `data-loss`, reason `digest-mismatch`, when the unpacked layer is not `diffId`. */
  async describe(file: ArchiveFile, diffId?: Digest): Promise<Descriptor> {
    const digest = await file.digest();
    const known = this.#known.get(digest) ?? (await this.#read(file, digest));
    this.#known.set(digest, known);
    if (diffId === undefined || diffId === known.diffId) return known.descriptor;
    throw new DrayError('data-loss', `layer ${digest} unpacks to ${known.diffId}, and the config says ${diffId}`, {
      reason: 'digest-mismatch',
      side: 'source',
      hint: 'the archive was put together wrongly: make it again',
    });
  }

  /** The digest of a layer's unpacked bytes. */
  async diffId(file: ArchiveFile): Promise<Digest> {
    await this.describe(file);
    const known = this.#known.get(await file.digest());
    return known?.diffId ?? (await file.digest());
  }

  async #read(file: ArchiveFile, digest: Digest): Promise<{ descriptor: Descriptor; diffId: Digest }> {
    const { layer, signal } = this.#options;
    const packing = packingOf(await startOf(file));
    const diffId = packing === 'none' ? digest : await digestOfStream(unpacked(file.open(), packing, { signal }));
    const mediaType = (dockerLayerTypes as Readonly<Record<string, string>>)[packing] ?? '';
    const described: Descriptor = { mediaType, digest, size: file.size };
    return { descriptor: (await layer?.(file, described)) ?? described, diffId };
  }
}

async function startOf(file: ArchiveFile): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of file.open()) {
    parts.push(chunk);
    size += chunk.byteLength;
    if (size >= packingBytes) break;
  }
  return Buffer.concat(parts).subarray(0, packingBytes);
}

async function digestOfStream(stream: AsyncIterable<Uint8Array>): Promise<Digest> {
  const hasher = createHasher();
  for await (const chunk of stream) hasher.update(chunk);
  return hasher.digest();
}
