import { DrayError } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { isDigest } from '../spec/digest.ts';
import { formatReference } from '../spec/reference.ts';
import type { ArchiveImage } from './archive-image.ts';
import { tryReference } from './names.ts';

/** What a user asks for in an archive or a layout: `TAG`, a whole name, `DIGEST`, or one with `@DIGEST` behind it. */
export interface Wanted {
  readonly name?: string | undefined;
  readonly digest?: string | undefined;
}

/** Takes apart what a user wrote. */
export function parseWanted(text: string): Wanted {
  const at = text.lastIndexOf('@');
  const tail = text.slice(at + 1);
  if (!isDigest(tail)) return text === '' ? {} : { name: text };
  return at <= 0 ? { digest: tail } : { name: text.slice(0, at), digest: tail };
}

/**
 * The one object that is meant: the one with the digest if there is one, else the one of that name, whole or tag, else the
 * only one there is.
 * @throws DrayError `not-found`, which says what there is; `invalid-argument` when several different ones are meant.
 */
export function pickImage(images: readonly ArchiveImage[], { name, digest }: Wanted): Descriptor {
  const named = images.filter(({ subject }) => subject === undefined);
  const found = named.filter((image) =>
    digest === undefined ? isCalled(image, name) : image.target.digest === digest,
  );
  const [first] = found;
  if (first === undefined) throw notThere(named, digest ?? name ?? '');
  if (found.every(({ target }) => target.digest === first.target.digest)) return first.target;
  throw new DrayError(
    'invalid-argument',
    `${name === undefined ? 'several images' : `several images ${name}`} are in it`,
    {
      side: 'source',
      hint: `say which: ${name === undefined ? listed(found) : digestsOf(found)}`,
    },
  );
}

function isCalled({ imageName, refName }: ArchiveImage, name: string | undefined): boolean {
  if (name === undefined || imageName === name || refName === name) return true;
  const reference = imageName === undefined ? undefined : tryReference(name);
  return reference !== undefined && formatReference(reference) === imageName;
}

function notThere(images: readonly ArchiveImage[], wanted: string): DrayError {
  return new DrayError('not-found', `no image ${JSON.stringify(wanted.slice(0, 200))} in it`, {
    side: 'source',
    hint: images.length === 0 ? 'it holds no image' : `there are: ${listed(images)}`,
  });
}

function listed(images: readonly ArchiveImage[]): string {
  return someOf(choicesAmong(images));
}

/** What each image can be asked for by: its name, where no other has the same, or its digest. */
export function choicesAmong(images: readonly ArchiveImage[]): readonly string[] {
  const named = images.filter(({ subject }) => subject === undefined);
  const digests = new Map<string, Set<string>>();
  for (const image of named) {
    const name = nameOf(image);
    digests.set(name, (digests.get(name) ?? new Set()).add(image.target.digest));
  }
  const choices = named.map((image) => (digests.get(nameOf(image))?.size === 1 ? nameOf(image) : image.target.digest));
  return [...new Set(choices)];
}

// Others wrote the names: one that no terminal could show or take is no way to ask for the image.
function nameOf({ imageName, refName, target }: ArchiveImage): string {
  return [imageName, refName].find((name) => name !== undefined && !/\p{Cc}/u.test(name)) ?? target.digest;
}

function digestsOf(images: readonly ArchiveImage[]): string {
  return someOf([...new Set(images.map(({ target }) => target.digest))]);
}

const shownChoices = 10;

function someOf(choices: readonly string[]): string {
  return [...choices.slice(0, shownChoices), ...(choices.length > shownChoices ? ['…'] : [])].join(', ');
}
