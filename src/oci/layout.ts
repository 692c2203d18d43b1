import { join } from 'node:path';
import { type Fetcher, fetcherOf, type Pusher } from '../content/copy.ts';
import { LocalStore } from '../content/local/local-store.ts';
import type { AbortableOptions, Provider } from '../content/store.ts';
import { DrayError, is } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { isTag, repositoryOf } from '../spec/reference.ts';
import { incomplete } from './archive-error.ts';
import { type ArchiveImage, entryOf, imagesOfIndex } from './archive-image.ts';
import { readDocumentFile } from './layout-files.ts';
import { checkLayout } from './layout-version.ts';
import { LayoutWriter, type LayoutWriterOptions } from './layout-writer.ts';
import { isRefName, isWhole, tryReference } from './names.ts';
import { parseWanted, pickImage } from './pick.ts';
import { type ListReferrers, referrersAmong } from './referrers.ts';

/** A place that is open for reading, with the object that its name means. Whoever opened it closes it. */
export interface PlaceSource extends AsyncDisposable {
  readonly root: Descriptor;
  readonly name: string;
  readonly fetcher: Fetcher;
  /** What refers to an object, where the place can tell. */
  readonly referrers?: ListReferrers | undefined;
}

/** A place that is open for writing. Whoever opened it closes it; what was not finished then has no name. */
export interface PlaceTarget extends AsyncDisposable {
  readonly pusher: Pusher;
  /** Documents that are there already. */
  readonly local?: Provider | undefined;
  /** Has `referrer` listed as one that refers to `subject`, when the root is. */
  readonly refer?: ((subject: Digest, referrer: Descriptor) => Promise<void>) | undefined;
  /** Names the root when all of it has arrived. Returns the place with the digest. */
  finish(root: Descriptor, options?: AbortableOptions): Promise<string>;
}

/** Options of a {@link LayoutPlace}. */
export interface LayoutOptions extends LayoutWriterOptions {
  /** The image that is meant: its tag, whole name or digest; the only one, if not said, or a new one without a name. */
  readonly image?: string | undefined;
}

/**
 * An image in a layout directory, as a source and a target of copies: `oci:DIR[:NAME]`. What it reads may change while it
 * reads, since others may write; every blob is verified by whoever takes it.
 */
export class LayoutPlace {
  readonly kind = 'layout';
  readonly name: string;
  /** What the name says behind the directory. */
  readonly image: string;
  readonly #directory: string;
  readonly #durability: LayoutWriterOptions;

  constructor(directory: string, { image = '', ...durability }: LayoutOptions = {}) {
    this.#directory = directory;
    this.image = image;
    this.#durability = durability;
    this.name = image === '' ? `oci:${directory}` : `oci:${directory}:${image}`;
  }

  /**
   * Every image that the layout lists.
   * @throws DrayError `not-found` when there is no layout; `invalid-argument`, reason `bad-archive` or `bad-document`.
   */
  async images(): Promise<readonly ArchiveImage[]> {
    checkLayout(await readDocumentFile(join(this.#directory, 'oci-layout')));
    const index = await readDocumentFile(join(this.#directory, 'index.json'));
    if (index !== undefined) return imagesOfIndex(index);
    throw new DrayError('not-found', `no image layout at ${this.#directory}`, {
      side: 'source',
      path: this.#directory,
      hint: 'a layout is a directory with index.json and blobs/ in it',
    });
  }

  /**
   * The tags of the images beside this one: those of its repository when its name says one, else those that are a tag alone. A
   * text that is no name is none.
   * @throws DrayError as {@link images} does.
   */
  async tags(): Promise<readonly string[]> {
    const prefix = this.#beforeTag();
    const names = (await this.images()).flatMap(({ imageName, refName }) => [imageName ?? '', refName ?? '']);
    const tags = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    return [...new Set(tags)].filter((tag) => !isWhole(tag) && (isTag(tag) || isRefName(tag)));
  }

  /** The place of the image beside this one that has another tag. */
  withTag(tag: string): string {
    return `oci:${this.#directory}:${this.#beforeTag()}${tag}`;
  }

  #beforeTag(): string {
    const { name = '' } = parseWanted(this.image);
    const reference = isWhole(name) ? tryReference(name) : undefined;
    return reference === undefined ? '' : `${repositoryOf(reference)}:`;
  }

  /** @throws DrayError as {@link images} does; `not-found` or `invalid-argument` when no or several images are meant. */
  async source({ signal }: AbortableOptions = {}): Promise<PlaceSource> {
    signal?.throwIfAborted();
    const images = await this.images();
    const root = pickImage(images, parseWanted(this.image));
    // A layout keeps its blobs as a store does, and no link is followed.
    const store = new LocalStore(this.#directory);
    const fetcher = fetcherOf(blobsOf(store, this.#directory));
    return {
      root,
      name: this.name,
      fetcher,
      referrers: referrersAmong(images, fetcher),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  }

  /** @throws DrayError `invalid-argument` for a name that a layout cannot have, or a layout of another version. */
  async target({ signal }: AbortableOptions = {}): Promise<PlaceTarget> {
    signal?.throwIfAborted();
    const { name } = parseWanted(this.image);
    if (name !== undefined) checkRefName(name);
    const writer = new LayoutWriter(this.#directory, this.#durability);
    await writer.begin();
    const store = new LocalStore(this.#directory);
    const listed: Descriptor[] = [];
    return {
      pusher: { push: (target, open, options) => writer.put(target, open, options) },
      local: store,
      refer: async (subject, referrer) => void listed.push(entryOf({ target: referrer, subject })),
      finish: async (root, options) => {
        await writer.list([...listed, entryOf({ target: root, refName: name })], options);
        return `oci:${this.#directory}@${root.digest}`;
      },
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  }
}

// What a store says of a blob that it lacks is meant for a store.
function blobsOf(store: Provider, directory: string): Provider {
  return {
    async reader(target, options) {
      try {
        return await store.reader(target, options);
      } catch (error) {
        throw is(error, 'not-found') ? incomplete(`${target.digest} is not in ${directory}`, { cause: error }) : error;
      }
    },
  };
}

/** @throws DrayError `invalid-argument` for a name that an entry of a layout cannot have. */
export function checkRefName(name: string): void {
  if (isRefName(name)) return;
  throw new DrayError('invalid-argument', `${JSON.stringify(name.slice(0, 200))} cannot be a name in an image layout`, {
    side: 'target',
    hint: 'letters and digits, joined by single -._:@+ and /, as in v1.0 or registry.example.com/team/app:1.0',
  });
}
