import { fetcherOf, type OpenOptions, refOf, writeBlob } from '../content/copy.ts';
import type { AbortableOptions, ContentStore, Info } from '../content/store.ts';
import type { Resolver } from '../remotes/remote.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { isManifestLike, mediaTypes } from '../spec/media-types.ts';
import { formatReference, parseReference, pinned } from '../spec/reference.ts';

/** As `Client.fetchBlob` does, into any store, when it is known how large the blob is. */
export async function fetchObject(
  content: ContentStore,
  resolver: Resolver,
  reference: string,
  target: Descriptor,
  options: AbortableOptions = {},
): Promise<Info> {
  const fetcher = await resolver.fetcher(reference, options);
  const open = async function* (offset = 0, hint: OpenOptions = {}): AsyncGenerator<Uint8Array> {
    yield* await fetcher.fetch(target, { ...options, ...hint, offset });
  };
  await writeBlob(content, refOf(target), target, open, options);
  return content.info(target.digest);
}

/** As `Client.pushObject` does, from any store. */
export async function pushObject(
  content: ContentStore,
  resolver: Resolver,
  reference: string,
  { digest, mediaType }: Pick<Descriptor, 'digest' | 'mediaType'>,
  options: AbortableOptions = {},
): Promise<Descriptor> {
  const { size } = await content.info(digest);
  const target: Descriptor = { mediaType: mediaType || mediaTypes.octetStream, digest, size };
  const parsed = parseReference(reference);
  const named = isManifestLike(mediaType) ? formatReference({ ...parsed, digest }) : pinned(parsed, digest);
  const pusher = await resolver.pusher(named, options);
  const source = fetcherOf(content);
  const open = async function* (offset = 0, hint: OpenOptions = {}): AsyncGenerator<Uint8Array> {
    yield* await source.fetch(target, { ...options, ...hint, offset });
  };
  await pusher.push(target, open, options);
  return target;
}
