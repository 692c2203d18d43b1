import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { literally } from '../filters/regular-expression.ts';
import { DirectoryPlace } from '../oci/directory.ts';
import { LayoutPlace } from '../oci/layout.ts';
import { isWhole } from '../oci/names.ts';
import { choicesAmong } from '../oci/pick.ts';
import { parsePlace as parseFilePlace } from '../oci/place.ts';
import type { RegistryClient } from '../remotes/docker/registry-client.ts';
import type { Services } from '../services/services.ts';
import type { Digest } from '../spec/digest.ts';
import { parseReference, parseRepository, repositoryOf } from '../spec/reference.ts';
import { referrersTag } from '../spec/referrers.ts';
import { isInRegistry, storedName } from './places.ts';

/** Where tags are listed. */
export interface TagLists {
  readonly registry: () => Promise<Pick<RegistryClient, 'tags'>>;
  readonly services: Pick<Services, 'images'>;
}

/** A place to copy from and the one to copy it to, as a user writes them. */
export interface TagPair {
  readonly source: string;
  readonly target: string;
}

/** Images that differ in their tags alone: a repository of a registry or of the store, or a layout. */
interface Tagged {
  list(options: AbortableOptions): AsyncIterable<string>;
  /** The place of one of them. */
  withTag(tag: string): string;
}

/** As `Client.tags` does. */
export async function* tagsOf(text: string, lists: TagLists, options: AbortableOptions = {}): AsyncGenerator<string> {
  const file = parseFilePlace(text);
  if (file !== undefined && !(file instanceof DirectoryPlace) && file.image === '') {
    yield* choicesAmong(await file.images(options));
    return;
  }
  checkRepository(text);
  yield* tags(text, lists, options);
}

/** As `Client.everyTag` does. */
export async function* everyTag(
  source: string,
  target: string,
  lists: TagLists,
  options: AbortableOptions = {},
): AsyncGenerator<TagPair> {
  for (const text of [source, target]) checkRepository(text);
  const [from, to] = [taggedAt(source, lists), taggedAt(target, lists)];
  for await (const tag of tags(source, lists, options)) yield { source: from.withTag(tag), target: to.withTag(tag) };
}

async function* tags(text: string, lists: TagLists, options: AbortableOptions): AsyncGenerator<string> {
  let isEmpty = true;
  for await (const tag of taggedAt(text, lists).list(options)) {
    isEmpty = false;
    yield tag;
  }
  // A registry says itself that it has no such repository.
  if (isEmpty && !isInRegistry(text)) throw noTags(text);
}

/**
 * Pairs for the tags that `Client.copyDigestTags` copies.
 * @throws DrayError `invalid-argument` when one of the two is a place without tags.
 */
export async function* digestTags(
  source: string,
  target: string,
  digests: readonly Digest[],
  lists: TagLists,
  options: AbortableOptions = {},
): AsyncGenerator<TagPair> {
  const [from, to] = [taggedAt(source, lists), taggedAt(target, lists)];
  const prefixes = digests.map((digest) => `${referrersTag(digest)}.`);
  if (prefixes.length === 0) return;
  for await (const tag of from.list(options)) {
    if (prefixes.some((prefix) => tag.startsWith(prefix))) yield { source: from.withTag(tag), target: to.withTag(tag) };
  }
}

function checkRepository(text: string): void {
  const file = parseFilePlace(text);
  if (file === undefined) parseRepository(storedName(text) ?? text);
  else if (!(file instanceof LayoutPlace)) throw noRepository(text);
  else if (isWhole(file.image)) parseRepository(file.image);
  else if (file.image !== '') throw noRepository(text);
}

function noRepository(text: string): DrayError {
  return new DrayError('invalid-argument', `${text} is no repository`, {
    hint: 'a repository of a registry (registry.example.com/team/app), of the store (store:app) or a layout (oci:DIR)',
  });
}

function noTags(source: string): DrayError {
  return new DrayError('not-found', `${source} has no image with a tag`, {
    side: 'source',
    hint: 'dray images ls lists what is in the store',
  });
}

function taggedAt(text: string, { registry, services }: TagLists): Tagged {
  const stored = storedName(text);
  const file = stored === undefined ? parseFilePlace(text) : undefined;
  if (file !== undefined) return taggedIn(file);
  const repository = repositoryOf(parseReference(stored ?? text));
  if (stored !== undefined)
    return {
      list: () => storedTags(services.images, `${repository}:`),
      withTag: (tag) => `store:${repository}:${tag}`,
    };
  return {
    async *list(options) {
      yield* (await registry()).tags(repository, options);
    },
    withTag: (tag) => `${repository}:${tag}`,
  };
}

function taggedIn(place: NonNullable<ReturnType<typeof parseFilePlace>>): Tagged {
  if (place instanceof LayoutPlace)
    return {
      async *list() {
        yield* await place.tags();
      },
      withTag: (tag) => place.withTag(tag),
    };
  throw new DrayError('invalid-argument', `${place.name} has no tags beside its image`, {
    hint: 'a registry, the store and a layout (oci:DIR:TAG) have them',
  });
}

async function* storedTags(images: Services['images'], prefix: string): AsyncGenerator<string> {
  for await (const { name } of images.list(`name~=${JSON.stringify(`^${literally(prefix)}`)}`)) {
    const tag = name.slice(prefix.length);
    if (tag !== '' && !tag.includes('@')) yield tag;
  }
}
