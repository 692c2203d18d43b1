import type { Fetcher } from '../content/copy.ts';
import { readDocument } from '../content/documents.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { config, manifest } from '../images/inspect.ts';
import type { Resolver } from '../remotes/remote.ts';
import { bare, type Descriptor } from '../spec/descriptor.ts';
import { isIndex } from '../spec/media-types.ts';
import type { PlatformMatcher } from '../spec/platform.ts';
import { parseReference, pinned } from '../spec/reference.ts';
import { providerOf } from './fetcher-provider.ts';
import { matcherOf, type PlatformSelection } from './select.ts';

/** Options of looking at an image in a registry. */
export interface LookOptions extends AbortableOptions {
  /** One platform: its manifest is meant, not the index. Several are refused. */
  readonly platforms?: PlatformSelection;
}

/** A document of a registry with the bytes that its digest is over. */
export interface RemoteDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** As `Client.resolve` does, by any resolver. */
export async function resolveImage(
  resolver: Resolver,
  reference: string,
  options: LookOptions = {},
): Promise<{ name: string; descriptor: Descriptor }> {
  const { name, target } = await resolver.resolve(reference, options);
  if (options.platforms === undefined || options.platforms === 'all' || !isIndex(target.mediaType))
    return { name, descriptor: target };
  const provider = providerOf(await fetcherFor(resolver, reference, target, options));
  const platform = onePlatform(options.platforms);
  const found = await manifest(provider, target, { platform, signal: options.signal });
  return { name, descriptor: bare(found.descriptor) };
}

/** As `Client.manifest` does, by any resolver. */
export async function remoteManifest(
  resolver: Resolver,
  reference: string,
  options: LookOptions = {},
): Promise<RemoteDocument> {
  const { descriptor } = await resolveImage(resolver, reference, options);
  const provider = providerOf(await fetcherFor(resolver, reference, descriptor, options));
  return { descriptor, bytes: await readDocument(provider, descriptor, options) };
}

/** As `Client.config` does, by any resolver. */
export async function remoteConfig(
  resolver: Resolver,
  reference: string,
  options: LookOptions = {},
): Promise<RemoteDocument> {
  const { target } = await resolver.resolve(reference, options);
  const provider = providerOf(await fetcherFor(resolver, reference, target, options));
  const platform = onePlatform(options.platforms);
  const { descriptor, bytes } = await config(provider, target, { platform, signal: options.signal });
  return { descriptor, bytes };
}

function fetcherFor(
  resolver: Resolver,
  reference: string,
  target: Descriptor,
  options: AbortableOptions,
): Promise<Fetcher> {
  return resolver.fetcher(pinned(parseReference(reference), target.digest), options);
}

function onePlatform(platforms: PlatformSelection): PlatformMatcher {
  if (platforms === undefined || (platforms !== 'all' && platforms.length <= 1)) return matcherOf(platforms);
  throw new DrayError('invalid-argument', 'only one platform can be looked at', { hint: 'name one with --platform' });
}
