import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { LayoutPlace } from '../oci/layout.ts';
import { parsePlace as parseFilePlace } from '../oci/place.ts';
import type { RegistryClient } from '../remotes/docker/registry-client.ts';
import type { Services } from '../services/services.ts';
import type { Digest } from '../spec/digest.ts';
import { parseReference, repositoryOf } from '../spec/reference.ts';
import { referrersTag } from '../spec/referrers.ts';
import type { Place } from './place.ts';
import { storedName } from './places.ts';

/** Where tags are listed. */
export interface TagLists {
  readonly registry: () => Promise<Pick<RegistryClient, 'tags'>>;
  readonly services: Pick<Services, 'images'>;
}

/** A place to copy from and the one to copy it to. */
export interface TagPair {
  readonly source: string | Place;
  readonly target: string | Place;
}

/** The images beside one, by their tags. */
interface Neighbours {
  list(options: AbortableOptions): AsyncIterable<string>;
  place(tag: string): string | Place;
}

/**
 * Pairs of places for the tags that `Client.copyDigestTags` copies.
 * @throws DrayError `invalid-argument` when one of the two is a place without tags.
 */
export async function* digestTags(
  source: string,
  target: string,
  digests: readonly Digest[],
  lists: TagLists,
  options: AbortableOptions = {},
): AsyncGenerator<TagPair> {
  const [from, to] = [neighboursOf(source, lists), neighboursOf(target, lists)];
  const prefixes = digests.map((digest) => `${referrersTag(digest)}.`);
  if (prefixes.length === 0) return;
  for await (const tag of from.list(options)) {
    if (prefixes.some((prefix) => tag.startsWith(prefix))) yield { source: from.place(tag), target: to.place(tag) };
  }
}

function neighboursOf(text: string, { registry, services }: TagLists): Neighbours {
  const stored = storedName(text);
  const file = stored === undefined ? parseFilePlace(text) : undefined;
  if (file !== undefined) return besideFile(file);
  const repository = repositoryOf(parseReference(stored ?? text));
  if (stored !== undefined)
    return { list: () => storedTags(services.images, `${repository}:`), place: (tag) => `store:${repository}:${tag}` };
  return {
    async *list(options) {
      yield* (await registry()).tags(repository, options);
    },
    place: (tag) => `${repository}:${tag}`,
  };
}

function besideFile(place: NonNullable<ReturnType<typeof parseFilePlace>>): Neighbours {
  if (place instanceof LayoutPlace)
    return {
      async *list() {
        yield* await place.tags();
      },
      place: (tag) => place.withTag(tag),
    };
  throw new DrayError('invalid-argument', `${place.name} has no tags named after digests`, {
    hint: 'a registry, the store and a layout (oci:DIR:TAG) have them',
  });
}

async function* storedTags(images: Services['images'], prefix: string): AsyncGenerator<string> {
  for await (const { name } of images.list()) if (name.startsWith(prefix)) yield name.slice(prefix.length);
}
