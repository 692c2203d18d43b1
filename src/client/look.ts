import { readDocument } from '../content/documents.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { config, manifest } from '../images/inspect.ts';
import type { ReferrersOptions } from '../remotes/docker/registry-client.ts';
import { bare, type Descriptor } from '../spec/descriptor.ts';
import { isIndex } from '../spec/media-types.ts';
import type { PlatformMatcher } from '../spec/platform.ts';
import { providerOf } from './fetcher-provider.ts';
import type { Place, Source } from './place.ts';
import { matcherOf, type PlatformSelection } from './select.ts';

/** Options of looking at an image where it is. */
export interface LookOptions extends AbortableOptions {
  /** One platform: its manifest is meant, not the index. Several are refused. */
  readonly platforms?: PlatformSelection;
}

/** A document of an image with the bytes that its digest is over. */
export interface ImageDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** As `Client.resolve` does. */
export async function resolveImage(
  place: Place,
  options: LookOptions = {},
): Promise<{ name: string; descriptor: Descriptor }> {
  await using source = await place.source(options);
  return { name: source.name, descriptor: bare(await rootFor(source, options)) };
}

/** As `Client.manifest` does. */
export async function manifestOf(place: Place, options: LookOptions = {}): Promise<ImageDocument> {
  await using source = await place.source(options);
  const descriptor = bare(await rootFor(source, options));
  return { descriptor, bytes: await readDocument(providerOf(source.fetcher), descriptor, options) };
}

/** As `Client.config` does. */
export async function configOf(place: Place, options: LookOptions = {}): Promise<ImageDocument> {
  await using source = await place.source(options);
  const platform = onePlatform(options.platforms);
  const { descriptor, bytes } = await config(providerOf(source.fetcher), source.root, {
    platform,
    signal: options.signal,
  });
  return { descriptor, bytes };
}

/** As `Client.referrers` does. */
export async function* referrersOf(place: Place, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
  await using source = await place.source(options);
  const { artifactType } = options;
  for await (const referrer of referrersListOf(source)(source.root, options))
    if (artifactType === undefined || referrer.artifactType === artifactType) yield referrer;
}

/** How a place lists referrers. @throws DrayError `not-implemented` for one that cannot tell. */
export function referrersListOf({ name, referrers }: Source): NonNullable<Source['referrers']> {
  if (referrers !== undefined) return referrers;
  throw new DrayError('not-implemented', `${name} cannot tell what refers to an image`, {
    side: 'source',
    hint: 'a registry, the store, a layout and an archive of one can',
  });
}

/** What a place has for one platform, if one is said; else all of it. @throws DrayError as `manifest` does. */
export async function rootFor({ root, fetcher }: Source, { platforms, signal }: LookOptions): Promise<Descriptor> {
  if (platforms === undefined || platforms === 'all' || !isIndex(root.mediaType)) return root;
  const platform = onePlatform(platforms);
  const { descriptor } = await manifest(providerOf(fetcher), root, { platform, signal });
  return descriptor;
}

function onePlatform(platforms: PlatformSelection): PlatformMatcher {
  if (platforms === undefined || (platforms !== 'all' && platforms.length <= 1)) return matcherOf(platforms);
  throw new DrayError('invalid-argument', 'only one platform can be looked at', { hint: 'name one with --platform' });
}
