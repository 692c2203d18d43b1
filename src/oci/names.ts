import { DrayError, is } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';
import { formatReference, parseReference, parseRepository, type Reference, repositoryOf } from '../spec/reference.ts';
import type { ArchiveImage } from './archive-image.ts';

/** Which names the images of an archive get. */
export interface NamingOptions {
  /**
   * A repository. A name that is only a tag becomes one of its tags, and a whole name has to lie in it; images with other
   * names get none.
   */
  readonly prefix?: string | undefined;
  /** Lets whole names through that lie outside the prefix. */
  readonly foreign?: boolean | undefined;
  /**
   * Makes a name of the annotation `org.opencontainers.image.ref.name`, in place of the prefix; nothing for no name. Whole
   * names, as containerd and Docker write them, do not pass it.
   */
  readonly translate?: ((refName: string) => string | undefined) | undefined;
  /**
   * Also names by digest: `all` for every image, `unnamed` for those that have no other name. `prefix@digest`, unless
   * `digestName` says otherwise.
   */
  readonly digests?: 'all' | 'unnamed' | undefined;
  readonly digestName?: ((digest: Digest) => string | undefined) | undefined;
  /** Names none of the images, for who wants their index alone. */
  readonly indexOnly?: boolean | undefined;
}

/**
 * The names of an image in an archive, by these rules: the whole name that containerd or Docker wrote, as it is, unless it has
 * white space, control characters or a dash in front; else the
 * annotation for a name, when it is a whole name or when there is a prefix for a tag; and a name by digest when that is
 * asked for. A referrer gets no name, and a name with the digest of another object is none.
 */
export function namesOf(image: ArchiveImage, options: NamingOptions): string[] {
  if (image.subject !== undefined || options.indexOnly === true) return [];
  const own = unlessOfAnother(ownName(image, options), image);
  const { digests } = options;
  const wantsDigest = digests === 'all' || (digests === 'unnamed' && own === undefined);
  return [own, wantsDigest ? digestName(image, options) : undefined].filter((name) => name !== undefined);
}

// A name with a digest is believed to stand for that one.
function unlessOfAnother(name: string | undefined, { target }: ArchiveImage): string | undefined {
  const digest = name === undefined ? undefined : tryReference(name)?.digest;
  return digest === undefined || digest === target.digest ? name : undefined;
}

function ownName({ imageName, refName }: ArchiveImage, options: NamingOptions): string | undefined {
  if (imageName !== undefined) return isOneWord(imageName) ? within(imageName, options) : undefined;
  if (refName === undefined) return undefined;
  if (options.translate !== undefined) return options.translate(refName) || undefined;
  const whole = isWhole(refName);
  if (whole || options.prefix === undefined) {
    const reference = whole ? tryReference(refName) : undefined;
    return reference === undefined ? undefined : within(formatReference(reference), options);
  }
  const reference = tryReference(`${prefixOf(options)}:${refName}`);
  return reference === undefined ? undefined : formatReference(reference);
}

// Any text may be one for containerd. Here a name is a line of a list, and a word of the next command.
function isOneWord(name: string): boolean {
  return !/^-|[\s\p{Cc}]/u.test(name);
}

/** Whether a name is more than a tag. */
export function isWhole(name: string): boolean {
  return /[/:@]/.test(name);
}

function within(name: string, options: NamingOptions): string | undefined {
  const prefix = prefixOf(options);
  if (prefix === undefined || options.foreign === true || name === prefix) return name;
  return name.startsWith(prefix) && /[/:@]/.test(name.charAt(prefix.length)) ? name : undefined;
}

function digestName({ target }: ArchiveImage, options: NamingOptions): string | undefined {
  if (options.digestName !== undefined) return options.digestName(target.digest) || undefined;
  const prefix = prefixOf(options);
  if (prefix !== undefined) return `${prefix}@${target.digest}`;
  throw new DrayError('invalid-argument', 'names by digest need a repository', {
    hint: 'say which with --prefix, for example --prefix registry.example.com/team/app',
  });
}

function prefixOf({ prefix }: NamingOptions): string | undefined {
  return prefix === undefined ? undefined : repositoryOf(parseRepository(prefix));
}

/** A reference; undefined for text that is none. */
export function tryReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (is(error, 'invalid-argument')) return undefined;
    throw error;
  }
}

const refNamePattern =
  /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;

/** Whether a text may be an `org.opencontainers.image.ref.name` (image-spec annotations.md). */
export function isRefName(text: string): boolean {
  return text.length <= 1024 && refNamePattern.test(text);
}

/** The tag of an image's name, which is what other tools look for in a layout; the whole name where it has none. */
export function refNameOf(name: string): string | undefined {
  const candidate = tryReference(name)?.tag ?? name;
  return isRefName(candidate) ? candidate : undefined;
}
