import { readDocument } from '../content/documents.ts';
import type { AbortableOptions, ContentStore, Provider } from '../content/store.ts';
import { because, DrayError, ifFound, is } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { type ImageConfig, type Manifest, parseImageConfig, parseIndex, parseManifest } from '../spec/documents.ts';
import { isConfig, isIndex, isManifest, isSchema1 } from '../spec/media-types.ts';
import { compareOptional, defaultMatcher, type Platform, type PlatformMatcher } from '../spec/platform.ts';
import {
  childrenHandler,
  filterPlatforms,
  hasChildren,
  limitManifests,
  noPlatform,
  type SelectChildren,
} from './children.ts';
import { type Handler, walk } from './handlers.ts';

/** How to look at an image. */
export interface InspectOptions extends AbortableOptions {
  /** Which manifest of an index is meant; what runs here if not said. */
  readonly platform?: PlatformMatcher | undefined;
}

/** A manifest that was found, and where. */
export interface FoundManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
}

/**
 * The manifest of an image for a platform. Of an index the matching children are tried best first; one that names no
 * platform is judged by its config. A manifest given directly is taken as it is (as containerd).
 * @throws DrayError `not-found` when a document is missing or none matches; `invalid-argument` when the target is no image.
 */
export async function manifest(
  provider: Provider,
  target: Descriptor,
  options: InspectOptions = {},
): Promise<FoundManifest> {
  const matcher = options.platform ?? defaultMatcher();
  const found = await search(provider, target, matcher, options);
  if (found === undefined) throw noPlatform(target);
  return found;
}

const nestingLimit = 8;

async function search(
  provider: Provider,
  target: Descriptor,
  matcher: PlatformMatcher,
  options: InspectOptions,
  depth: number = 0,
): Promise<FoundManifest | undefined> {
  const isTop = depth === 0;
  if (isManifest(target.mediaType)) {
    const found = parseManifest(await readDocument(provider, target, options));
    return isTop || (await runsOn(provider, target, found, matcher, options))
      ? { descriptor: target, manifest: found }
      : undefined;
  }
  if (!isIndex(target.mediaType)) {
    if (!isTop) return undefined;
    const hint = isSchema1(target.mediaType) ? 'convert it first: dray pull --convert-schema1' : undefined;
    throw new DrayError('invalid-argument', `${target.digest} is no image but ${target.mediaType}`, { hint });
  }
  if (depth > nestingLimit)
    throw new DrayError('invalid-argument', 'indexes nested too deeply', { reason: 'bad-document' });
  const { manifests } = parseIndex(await readDocument(provider, target, options));
  const candidates = manifests
    .filter((child) => child.platform === undefined || matcher.matches(child.platform))
    .sort((a, b) => compareOptional(matcher, a.platform, b.platform));
  for (const candidate of candidates) {
    const found = await search(provider, candidate, matcher, options, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function runsOn(
  provider: Provider,
  target: Descriptor,
  found: Manifest,
  matcher: PlatformMatcher,
  options: InspectOptions,
): Promise<boolean> {
  if (target.platform !== undefined) return true;
  if (!isConfig(found.config.mediaType)) return false;
  return matcher.matches(parseImageConfig(await readDocument(provider, found.config, options)));
}

/** The config of an image, with the bytes it was read from. @throws DrayError as {@link manifest} does. */
export async function config(
  provider: Provider,
  target: Descriptor,
  options: InspectOptions = {},
): Promise<{ descriptor: Descriptor; config: ImageConfig; bytes: Uint8Array }> {
  const { manifest: found } = await manifest(provider, target, options);
  const bytes = await readDocument(provider, found.config, options);
  if (!isConfig(found.config.mediaType)) {
    throw new DrayError('invalid-argument', `${target.digest} has no image config but ${found.config.mediaType}`, {
      hint: 'it is an artifact, not an image that can run',
    });
  }
  return { descriptor: found.config, config: parseImageConfig(bytes), bytes };
}

/** The digests of an image's uncompressed layers, bottom first, as its config has them. */
export async function diffIds(
  provider: Provider,
  target: Descriptor,
  options: InspectOptions = {},
): Promise<readonly Digest[]> {
  return (await config(provider, target, options)).config.rootfs?.diff_ids ?? [];
}

/** Bytes of everything an image needs for a platform, documents included, each object once. */
export async function size(provider: Provider, target: Descriptor, options: InspectOptions = {}): Promise<number> {
  const matcher = options.platform ?? defaultMatcher();
  const children = limitManifests(filterPlatforms(childrenHandler(provider), matcher), matcher, 1);
  let sum = 0;
  await walk(
    async (object, context) => {
      sum += object.size;
      return children(object, context);
    },
    [target],
    options,
  );
  return sum;
}

/**
 * Bytes of what of an image is in a store, for whatever platforms, documents included, each object once. A document that is
 * damaged, or none, refers to nothing; what is nested deeper than any image is not counted.
 */
export async function presentSize(
  store: Provider & Pick<ContentStore, 'info'>,
  target: Descriptor,
  options: AbortableOptions = {},
): Promise<number> {
  const children = ifReadable(childrenHandler(store));
  let sum = 0;
  await walkPossible(
    async (object, context) => {
      const info = await ifFound(store.info(object.digest));
      sum += info?.size ?? 0;
      return info === undefined ? [] : ((await children(object, context)) ?? []);
    },
    [target],
    options,
  );
  return sum;
}

// Documents that are none have been seen to; what is left is a graph that is too deep or too large. Whether it was walked whole.
async function walkPossible(...parameters: Parameters<typeof walk>): Promise<boolean> {
  try {
    await walk(...parameters);
    return true;
  } catch (error) {
    if (because(error, 'bad-document')) return false;
    throw error;
  }
}

/** The platforms an image names, those of its configs where the index names none. */
export async function platforms(
  provider: Provider,
  target: Descriptor,
  options: AbortableOptions = {},
): Promise<Platform[]> {
  const found: Platform[] = [];
  const children = childrenHandler(provider);
  await walk(
    async (object, context) => {
      if (object.platform !== undefined) {
        if (object.platform.os !== 'unknown' && object.platform.architecture !== 'unknown') found.push(object.platform);
        return [];
      }
      if (!isConfig(object.mediaType)) return children(object, context);
      const { os, architecture, variant } = parseImageConfig(await readDocument(provider, object, options));
      found.push({ os, architecture, ...(variant === undefined ? {} : { variant }) });
      return [];
    },
    [target],
    options,
  );
  return found;
}

/** As a handler; undefined for a document that cannot be read: one whose file was lost or damaged, or that is none. */
function ifReadable(
  handler: Handler,
): (...parameters: Parameters<Handler>) => Promise<readonly Descriptor[] | undefined> {
  return async (target, context) => {
    try {
      return await handler(target, context);
    } catch (error) {
      if (is(error, 'data-loss') || because(error, 'bad-document')) return undefined;
      throw error;
    }
  };
}

/** What of an image is in a store. */
export interface Check {
  /** Whether it could be told what is needed, that is whether the documents are there. */
  readonly available: boolean;
  readonly required: readonly Descriptor[];
  readonly present: readonly Descriptor[];
  /** Documents that are there and cannot be read count as missing, as does a root below which no end is found. */
  readonly missing: readonly Descriptor[];
}

/** Options of {@link check}. */
export interface CheckOptions extends InspectOptions {
  /** Which children of an index are needed; if not said, the one for `platform`. */
  readonly select?: SelectChildren | undefined;
}

/**
 * What an image needs for a platform, or for several, and what of it is missing: its documents, config and layers, each with
 * the size its descriptor says. Only documents are read; `content verify` reads all.
 */
export async function check(
  store: Provider & Pick<ContentStore, 'info'>,
  target: Descriptor,
  options: CheckOptions = {},
): Promise<Check> {
  const matcher = options.platform ?? defaultMatcher();
  const all = childrenHandler(store);
  const { select } = options;
  const children = ifReadable(
    select === undefined
      ? limitManifests(filterPlatforms(all, matcher), matcher, 1)
      : async (object, context) => select(object, await all(object, context)),
  );
  const present: Descriptor[] = [];
  const missing: Descriptor[] = [];
  let available = true;
  const isPossible = await walkPossible(
    async (object, context) => {
      const found = (await isThere(store, object, context)) ? await children(object, context) : undefined;
      (found === undefined ? missing : present).push(object);
      if (found === undefined && hasChildren(object.mediaType)) available = false;
      return found ?? [];
    },
    [target],
    options,
  );
  if (!isPossible) return { available: false, required: [target], present: [], missing: [target] };
  return { available, required: [...present, ...missing], present, missing };
}

// A store may know a blob whose file is gone; only opening it tells.
async function isThere(
  store: Provider & Pick<ContentStore, 'info'>,
  object: Descriptor,
  options: AbortableOptions,
): Promise<boolean> {
  const info = await ifFound(store.info(object.digest));
  if (info?.size !== object.size) return false;
  try {
    await using _ = await store.reader(object, options);
    return true;
  } catch (error) {
    if (is(error, 'not-found') || is(error, 'data-loss')) return false;
    throw error;
  }
}
