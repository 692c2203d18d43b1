import { isDeepStrictEqual } from 'node:util';
import { packingOfBlob } from '../content/compression.ts';
import { readDocument } from '../content/documents.ts';
import type { ContentStore } from '../content/store.ts';
import { DrayError, ifFound, is } from '../errors.ts';
import type { SelectChildren } from '../images/children.ts';
import { depthLimit, graphLimit } from '../images/handlers.ts';
import { childLabels } from '../images/labels.ts';
import { type Descriptor, describe } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { parseImageConfig, parseIndex, parseManifest } from '../spec/documents.ts';
import { compressionOf, isConfig, isIndex, isManifest, isNonDistributable, mediaTypes } from '../spec/media-types.ts';
import { normalizePlatform, type Platform } from '../spec/platform.ts';
import { type Family, translateMediaType } from './family.ts';
import { type StoreDocumentOptions, storeDocument } from './store-document.ts';

/** Something that the other family cannot say. */
export interface Loss {
  /** The document that said it. */
  readonly digest: Digest;
  /** What is gone, in words: `annotations`, `artifact sha256:…`. */
  readonly what: string;
}

/** What a translation made. */
export interface Translation {
  /** The image in the other family; the given one when there was nothing to translate. */
  readonly target: Descriptor;
  readonly losses: readonly Loss[];
}

/** Options of {@link convertMediaTypes}. */
export interface TranslateOptions extends Pick<StoreDocumentOptions, 'lease' | 'signal'> {
  /** Which children of an index are taken over; all if not said. */
  readonly select?: SelectChildren | undefined;
  /** What becomes of children of an index that are not in the store: an error if not said, or they are left out. */
  readonly missing?: 'error' | 'skip' | undefined;
  /** The most bytes a document may have. */
  readonly documentLimit?: number | undefined;
}

/**
 * Writes the documents of an image anew in the media types of a family. Configs and layers keep their bytes and with them
 * their digests; only what names their types changes, so manifests and indexes get other digests. Layers under Docker's
 * plain type, which may be packed all the same, are looked into. What the other family has no words for is left out and told.
 * @throws DrayError `not-found` for a document that is missing; `not-implemented` for what the family cannot have at all, such
 * as an artifact in Docker's; `invalid-argument`, reason `bad-document`; `data-loss`.
 */
export async function convertMediaTypes(
  content: ContentStore,
  target: Descriptor,
  family: Family,
  options: TranslateOptions = {},
): Promise<Translation> {
  const translator = new Translator(content, family, options);
  return { target: await translator.translate(target, 0), losses: translator.losses };
}

class Translator {
  readonly losses: Loss[] = [];
  readonly #content: ContentStore;
  readonly #family: Family;
  readonly #options: TranslateOptions;
  readonly #done = new Map<Digest, Descriptor>();

  constructor(content: ContentStore, family: Family, options: TranslateOptions) {
    this.#content = content;
    this.#family = family;
    this.#options = options;
  }

  async translate(target: Descriptor, depth: number): Promise<Descriptor> {
    this.#options.signal?.throwIfAborted();
    if (depth > depthLimit || this.#done.size > graphLimit) throw tooLarge(target);
    const made = this.#done.get(target.digest) ?? (await this.#translate(target, depth));
    this.#done.set(target.digest, made);
    return made.digest === target.digest ? target : this.#redescribe(target, made);
  }

  async #translate(target: Descriptor, depth: number): Promise<Descriptor> {
    if (isManifest(target.mediaType)) return await this.#manifest(target);
    if (isIndex(target.mediaType)) return await this.#index(target, depth);
    if (this.#family === 'oci') return target;
    throw untranslatable(target, `Docker has no ${target.mediaType}`);
  }

  /** What was said about the old object, said about the new one. */
  #redescribe({ data: _, ...old }: Descriptor, { mediaType, digest, size }: Descriptor): Descriptor {
    return { ...(this.#family === 'oci' ? old : plain(old)), mediaType, digest, size };
  }

  async #manifest(target: Descriptor): Promise<Descriptor> {
    const found = parseManifest(await this.#read(target));
    if (this.#family === 'docker') this.#loseFrom(target.digest, found, [found.config, ...found.layers]);
    const config = this.#config(target, found.config);
    const layers: Descriptor[] = [];
    for (const layer of found.layers) layers.push(await this.#layer(target, layer));
    return await this.#write(target, found, { config, layers });
  }

  #config(parent: Descriptor, config: Descriptor): Descriptor {
    // Docker's first registries called configs this.
    const isUntyped = parent.mediaType === mediaTypes.dockerManifest && config.mediaType === mediaTypes.octetStream;
    const mediaType = translateMediaType(isUntyped ? mediaTypes.dockerConfig : config.mediaType, this.#family);
    if (mediaType !== undefined && isConfig(mediaType)) return this.#retype(config, mediaType);
    if (this.#family === 'oci') return config;
    throw untranslatable(parent, `it is an artifact (${config.mediaType}), and Docker has only images`);
  }

  async #layer(parent: Descriptor, layer: Descriptor): Promise<Descriptor> {
    const mediaType = translateMediaType(layer.mediaType, this.#family);
    if (this.#family === 'oci') {
      const isPlain = compressionOf(layer.mediaType) === 'unknown';
      return this.#retype(layer, isPlain ? await this.#sniff(layer, mediaType) : (mediaType ?? layer.mediaType));
    }
    if (mediaType === undefined) throw untranslatable(parent, `Docker has no layers of ${layer.mediaType}`);
    if (mediaType === mediaTypes.dockerLayerZstd)
      this.losses.push({
        digest: parent.digest,
        what: `readers: not every tool of Docker's reads zstd, ${layer.digest}`,
      });
    return this.#retype(layer, mediaType);
  }

  async #sniff(layer: Descriptor, plain: string | undefined): Promise<string> {
    if (plain === undefined) return layer.mediaType;
    const packing = await ifFound(packingOfBlob(this.#content, layer, this.#options));
    const base = isNonDistributable(layer.mediaType) ? mediaTypes.ociForeignLayer : mediaTypes.ociLayer;
    return packing === 'gzip' || packing === 'zstd' ? `${base}+${packing}` : base;
  }

  #retype(child: Descriptor, mediaType: string): Descriptor {
    return { ...(this.#family === 'oci' ? child : plain(child)), mediaType };
  }

  async #index(target: Descriptor, depth: number): Promise<Descriptor> {
    const found = parseIndex(await this.#read(target));
    const chosen = this.#options.select?.(target, found.manifests) ?? found.manifests;
    if (this.#family === 'docker') this.#loseFrom(target.digest, found, chosen);
    const manifests: Descriptor[] = [];
    for (const child of chosen) {
      const made = await this.#child(target, child, depth);
      if (made !== undefined) manifests.push(made);
    }
    if (manifests.length === 0 && found.manifests.length > 0)
      throw untranslatable(target, 'nothing of it is left in the other family');
    return await this.#write(target, found, { manifests });
  }

  async #child(parent: Descriptor, child: Descriptor, depth: number): Promise<Descriptor | undefined> {
    const reason = this.#family === 'docker' ? whyNotInList(child) : undefined;
    if (reason !== undefined) return this.#lose(parent, `${reason} ${child.digest}`);
    try {
      const made = await this.translate(child, depth + 1);
      if (this.#family === 'oci' || made.platform !== undefined) return made;
      return { ...made, platform: await this.#platformOf(made) };
    } catch (error) {
      if (is(error, 'not-found') && this.#options.missing === 'skip')
        return this.#lose(parent, `missing manifest ${child.digest}`);
      if (is(error, 'not-implemented')) return this.#lose(parent, `artifact ${child.digest}`);
      throw error;
    }
  }

  async #platformOf(made: Descriptor): Promise<Platform> {
    const { config } = parseManifest(await this.#read(made));
    const { os, architecture, variant } = parseImageConfig(await this.#read(config));
    return normalizePlatform({ os, architecture, variant });
  }

  #lose(parent: Descriptor, what: string): undefined {
    this.losses.push({ digest: parent.digest, what });
  }

  #loseFrom(digest: Digest, document: Readonly<Record<string, unknown>>, children: readonly Descriptor[]): void {
    for (const key of ['annotations', 'subject', 'artifactType'])
      if (document[key] !== undefined) this.losses.push({ digest, what: key });
    const said = ['annotations', 'artifactType', 'data'] as const;
    for (const key of said)
      if (children.some((child) => child[key] !== undefined)) this.losses.push({ digest, what: `${key} of children` });
  }

  async #write(
    target: Descriptor,
    { schemaVersion: _, mediaType: __, ...rest }: Readonly<Record<string, unknown>>,
    parts: { readonly config?: Descriptor; readonly layers?: readonly Descriptor[]; manifests?: readonly Descriptor[] },
  ): Promise<Descriptor> {
    const mediaType = translateMediaType(target.mediaType, this.#family) ?? target.mediaType;
    const document = { schemaVersion: 2, mediaType, ...(this.#family === 'oci' ? rest : {}), ...parts };
    const bytes = Buffer.from(JSON.stringify(document));
    if (isDeepStrictEqual(JSON.parse(bytes.toString()), JSON.parse(Buffer.from(await this.#read(target)).toString())))
      return target;
    const descriptor = describe(mediaType, bytes);
    const { config, layers = [], manifests = [] } = parts;
    const labels = childLabels([...(config === undefined ? [] : [config]), ...layers, ...manifests]);
    await storeDocument(this.#content, { descriptor, bytes }, { ...this.#options, labels });
    return descriptor;
  }

  async #read(target: Descriptor): Promise<Uint8Array> {
    const { documentLimit: limit, signal } = this.#options;
    return await readDocument(this.#content, target, { limit, signal });
  }
}

/** What Docker's documents say of an object, in the order that it was said. */
function plain(descriptor: Descriptor): Descriptor {
  const known = ['mediaType', 'digest', 'size', 'urls', 'platform'];
  return Object.fromEntries(Object.entries(descriptor).filter(([key]) => known.includes(key))) as unknown as Descriptor;
}

/** On an entry of an index that is no image but says something about one (BuildKit's convention). */
const attestationAnnotation = 'vnd.docker.reference.type';

/** Why Docker's list cannot have an entry. */
function whyNotInList({ mediaType, annotations, platform }: Descriptor): string | undefined {
  if (annotations?.[attestationAnnotation] !== undefined || platform?.os === 'unknown') return 'attestation';
  return isIndex(mediaType) ? 'nested index' : undefined;
}

function untranslatable({ mediaType, digest, size }: Descriptor, why: string): DrayError {
  return new DrayError('not-implemented', `${digest} cannot be translated: ${why}`, {
    descriptor: { mediaType, digest, size },
    hint: 'keep it in the media types that it has',
  });
}

function tooLarge({ digest }: Descriptor): DrayError {
  return new DrayError('invalid-argument', `impossible image graph: ${digest} is too deep or too large`, {
    reason: 'bad-document',
    hint: 'no tool makes such an image by accident',
  });
}
