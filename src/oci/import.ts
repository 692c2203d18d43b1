import type { AbortableOptions, ContentStore, Labels } from '../content/store.ts';
import { because, DrayError, ifFound, is, withContext } from '../errors.ts';
import type { SelectChildren } from '../images/children.ts';
import type { ImageStore } from '../services/image-store.ts';
import { type Descriptor, describe } from '../spec/descriptor.ts';
import { type Digest, isDigest } from '../spec/digest.ts';
import { isSchema1, mediaTypes } from '../spec/media-types.ts';
import { formatReference } from '../spec/reference.ts';
import type { ArchiveContents, MadeDocument } from './archive-contents.ts';
import { badArchive, shown } from './archive-error.ts';
import { type ArchiveImage, entryOf } from './archive-image.ts';
import { contentsOf } from './contents.ts';
import { entriesOf, type ImportSource } from './entries.ts';
import { encodeIndex } from './index-encoding.ts';
import { type NamingOptions, namesOf, tryReference } from './names.ts';
import { parseWanted, pickImage } from './pick.ts';
import { type RecompressOptions, recompressor } from './recompress.ts';
import { labelReferrer, settle } from './settle.ts';
import { storeDocument } from './store-document.ts';
import { listedReferrers, subjectOf } from './subjects.ts';
import { type TakeInEvent, takeIn } from './take-in.ts';

/** The services of a namespace that an import needs. */
export interface ImportTarget {
  readonly content: ContentStore;
  readonly images: ImageStore;
}

/** Options of {@link importArchive}. */
export interface ImportOptions extends NamingOptions, AbortableOptions {
  /** Takes one image under this name and no other; which one, says `object`. */
  readonly name?: string | undefined;
  /**
   * Which image `name` stands for: a tag or a whole name, a digest, or one with the other behind `@`. The tag and the digest
   * of `name` itself if not said, and then also the only image there is.
   */
  readonly object?: string | undefined;
  /** Also names the index of all images. */
  readonly indexName?: string | undefined;
  /** Lets names move that stand for something else so far. */
  readonly overwrite?: boolean | undefined;
  /** Labels for every image that is named. */
  readonly labels?: Labels | undefined;
  /** Which children of an index are kept and have to be whole; those that are there if not said. */
  readonly select?: SelectChildren | undefined;
  /** What becomes of an image that lacks some of its content: an error, or it is kept as it is. */
  readonly missing?: 'error' | 'skip' | undefined;
  /** Compresses the layers of a docker-archive, which changes the digest of its manifest. Not done if not said. */
  readonly recompress?: RecompressOptions | undefined;
  /**
   * Makes an image that can be kept of one of Docker schema 1, whose content was stored by now. Such images are refused if not
   * said: nothing would keep their layers.
   */
  readonly convertSchema1?: ((target: Descriptor) => Promise<Descriptor>) | undefined;
  /** Holds what is stored until it is named. Who made it ends it, after the import. */
  readonly lease?: string | undefined;
  /** The most bytes a document may have. */
  readonly documentLimit?: number | undefined;
  readonly onEvent?: ((event: TakeInEvent) => void) | undefined;
}

/** An image that an import named. */
export interface ImportedImage {
  readonly name: string;
  readonly target: Descriptor;
  /** `exists`: it had this target already. */
  readonly outcome: 'created' | 'updated' | 'exists';
}

/** What an import brought. */
export interface ImportResult {
  readonly format: ArchiveContents['format'];
  /** In the order of the archive. */
  readonly images: readonly ImportedImage[];
  /** Images that got no name by the rules; their content stays as long as the lease does. */
  readonly unnamed: readonly ArchiveImage[];
}

/**
 * Takes in an archive in one pass, from a file, a pipe or a stream, packed in gzip or zstd or not, or a layout directory: an
 * OCI layout, or what `docker save` wrote in any of its ages. Every file is stored, also one that nothing refers to; then the
 * documents are looked at, and names are given last, so that what has a name is whole. What follows the archive's end mark
 * means nothing.
 * @throws DrayError `invalid-argument` or `data-loss` with reason `bad-archive`, `bad-document`, `digest-mismatch` or
 * `size-mismatch` for an archive that is not in order; `not-found`, reason `bad-archive`, when content is missing;
 * `already-exists` when a name stands for something else; `resource-exhausted`, reason `bad-archive`, for an archive that is
 * out of all proportion; `not-implemented` for an image of Docker schema 1, unless `convertSchema1` is there; what the store
 * throws. Nothing is named then.
 */
export async function importArchive(
  target: ImportTarget,
  source: ImportSource,
  options: ImportOptions = {},
): Promise<ImportResult> {
  try {
    return await takeArchive(target, source, options);
  } catch (error) {
    // What a document says wrongly, the archive does, also when it was read back from the store.
    const isWrong = because(error, 'bad-document') || because(error, 'size-mismatch');
    throw isWrong ? withContext(error, { side: 'source' }) : error;
  }
}

async function takeArchive(target: ImportTarget, source: ImportSource, options: ImportOptions): Promise<ImportResult> {
  const { content } = target;
  const { signal, lease, documentLimit } = options;
  const catalog = await takeIn(content, entriesOf(source, { signal }), options);
  const layer = options.recompress && recompressor(content, options.recompress, { lease, signal });
  const found = await withoutSchema1(await contentsOf(catalog, { layer, documentLimit, signal }), options);
  const contents = await withSubjects(content, found, options);
  await storeDocuments(content, contents, options);
  const named = chooseNames(contents, options);
  await settleAll(content, contents, named, options);
  const images = await nameAll(target.images, named, options);
  const targets = new Set(images.map((image) => image.target.digest));
  const others = contents.images.filter((image) => image.subject === undefined && !targets.has(image.target.digest));
  const unnamed = new Map(others.map((image) => [image.target.digest, image]));
  return { format: contents.format, images, unnamed: options.name === undefined ? [...unnamed.values()] : [] };
}

async function withoutSchema1(contents: ArchiveContents, { convertSchema1 }: ImportOptions): Promise<ArchiveContents> {
  const convert = onceForEach(async (target: Descriptor) => {
    if (convertSchema1 === undefined) throw unconverted(target);
    return await convertSchema1(target);
  });
  const images: ArchiveImage[] = [];
  for (const image of contents.images)
    images.push(isSchema1(image.target.mediaType) ? { ...image, target: await convert(image.target) } : image);
  return { ...contents, images };
}

/** The images with what they refer to, and with the referrers that only a list of referrers has. */
async function withSubjects(
  content: ContentStore,
  contents: ArchiveContents,
  options: ImportOptions,
): Promise<ArchiveContents> {
  const find = onceForEach((target) => subjectOf(content, target, options));
  const images: ArchiveImage[] = [];
  for (const image of contents.images) {
    const isNamed = (image.imageName ?? image.refName ?? image.subject) !== undefined;
    images.push(isNamed ? image : { ...image, subject: await find(image.target) });
  }
  for (const target of await listedReferrers(content, contents.images, options)) {
    const subject = await find(target);
    if (subject !== undefined) images.push({ target, subject });
  }
  return { ...contents, images };
}

// An index may list one object any number of times, and a look at it may take long.
function onceForEach<T>(look: (target: Descriptor) => Promise<T>): (target: Descriptor) => Promise<T> {
  const found = new Map<string, Promise<T>>();
  return (target) => {
    const key = `${target.mediaType} ${target.digest}`;
    const known = found.get(key) ?? look(target);
    found.set(key, known);
    return known;
  };
}

function unconverted({ mediaType, digest, size }: Descriptor): DrayError {
  return new DrayError('not-implemented', `${digest} is in the format of Docker schema 1`, {
    descriptor: { mediaType, digest, size },
    side: 'source',
    hint: 'convert it on its way into the store, with --convert-schema1',
  });
}

async function storeDocuments(content: ContentStore, contents: ArchiveContents, options: ImportOptions): Promise<void> {
  const { lease, signal, indexName } = options;
  const documents = [...contents.documents, ...(indexName === undefined ? [] : [indexOf(contents)])];
  for (const document of documents) await storeDocument(content, document, { lease, signal });
}

/** The index of all images, made if the archive has none. */
function indexOf({ index, images }: ArchiveContents): MadeDocument {
  const bytes = index ?? encodeIndex(images.map(entryOf));
  return { descriptor: describe(mediaTypes.ociIndex, bytes), bytes };
}

/** Names and what they are to stand for. */
type Names = ReadonlyMap<string, Descriptor>;

function chooseNames(contents: ArchiveContents, options: ImportOptions): Names {
  const names = new Map<string, Descriptor>();
  const add = (name: string, target: Descriptor): void => {
    const known = names.get(name);
    if (known !== undefined && known.digest !== target.digest)
      throw badArchive(`it has two different images ${shown(name)}`, { hint: 'take one of them by its digest' });
    names.set(name, target);
  };
  if (options.indexName !== undefined) add(options.indexName, indexOf(contents).descriptor);
  if (options.name !== undefined) add(options.name, pickNamed(contents.images, options.name, options.object));
  else for (const image of contents.images) for (const name of namesOf(image, options)) add(name, image.target);
  return names;
}

function pickNamed(images: readonly ArchiveImage[], name: string, object: string | undefined): Descriptor {
  if (object !== undefined) return pickImage(images, parseWanted(object));
  const reference = tryReference(name);
  const candidates = reference === undefined ? [name] : [formatReference(reference), reference.tag ?? ''];
  const digest = reference?.digest;
  const called = images.filter(
    ({ imageName, refName, target }) =>
      target.digest === digest || [imageName, refName].some((one) => one !== undefined && candidates.includes(one)),
  );
  // An archive of one image need not know what it is going to be called.
  return pickImage(called.length > 0 ? called : images, { digest });
}

async function settleAll(
  content: ContentStore,
  contents: ArchiveContents,
  names: Names,
  options: ImportOptions,
): Promise<void> {
  const all = contents.images.map((image) => image.target);
  await settle(content, options.name === undefined ? [...names.values(), ...all] : [...names.values()], options);
  // What refers to other images than the one that is taken need not be whole.
  const referrers = contents.images.filter(({ subject }) => subject !== undefined).map(({ target }) => target);
  if (options.name !== undefined) await settle(content, referrers, { ...options, missing: 'skip' });
  for (const { subject, target } of contents.images) {
    if (subject !== undefined && isDigest(subject)) await labelReferrer(content, subject, target);
  }
}

async function nameAll(images: ImageStore, names: Names, options: ImportOptions): Promise<ImportedImage[]> {
  // All are looked at before the first is given, so that a refusal leaves nothing half-named.
  for (const [name, target] of names) await outcomeOf(images, name, target, options);
  const done: ImportedImage[] = [];
  for (const [name, target] of names) {
    options.signal?.throwIfAborted();
    done.push({ name, target, outcome: await give(images, name, target, options) });
  }
  return done;
}

/** What giving a name means now. @throws DrayError `already-exists` when it stands for something else and is not to move. */
async function outcomeOf(
  images: ImageStore,
  name: string,
  target: Descriptor,
  { overwrite, signal }: ImportOptions,
): Promise<ImportedImage['outcome']> {
  const digest = (await ifFound(images.get(name, { signal })))?.target.digest;
  if (digest === undefined) return 'created';
  if (digest === target.digest) return 'exists';
  if (overwrite === true) return 'updated';
  throw taken(name, digest);
}

async function give(
  images: ImageStore,
  name: string,
  target: Descriptor,
  options: ImportOptions,
): Promise<ImportedImage['outcome']> {
  const { labels = {} } = options;
  const keys = Object.keys(labels).map((key) => `labels.${key}`);
  for (;;) {
    const outcome = await outcomeOf(images, name, target, options);
    try {
      if (outcome === 'created') await images.create({ name, target, labels });
      else if (outcome === 'updated') await images.update({ name, target, labels }, 'target', ...keys);
      else if (keys.length > 0) await images.update({ name, target, labels }, ...keys);
      return outcome;
    } catch (error) {
      // Somebody else named or deleted it in between.
      if (!is(error, outcome === 'created' ? 'already-exists' : 'not-found')) throw error;
    }
  }
}

function taken(name: string, digest: Digest): DrayError {
  return new DrayError('already-exists', `image ${name} stands for ${digest}, not for what the archive has`, {
    side: 'store',
    hint: 'let it move with --overwrite, or take the image under another name with --name',
  });
}
