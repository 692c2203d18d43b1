import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { streamOf } from '../content/bytes.ts';
import type { Fetcher } from '../content/copy.ts';
import { Durability, removeTree } from '../content/local/durable.ts';
import { LocalStore } from '../content/local/local-store.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { bare, type Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { formatReference, parseReference } from '../spec/reference.ts';
import type { ArchiveContents } from './archive-contents.ts';
import { fileFailure } from './archive-error.ts';
import { archiveTarget, FileInArchive, openArchive, type SaveOptions, saveArchive } from './archive-file.ts';
import { type ArchiveImage, entryOf } from './archive-image.ts';
import type { Catalog } from './catalog.ts';
import { contentsOf } from './contents.ts';
import { type ExportOptions, exportArchive } from './export.ts';
import { checkRefName, type PlaceSource, type PlaceTarget } from './layout.ts';
import { LayoutWriter } from './layout-writer.ts';
import { parseWanted, pickImage } from './pick.ts';
import { isPipeOrDevice } from './pipe.ts';
import { referrersAmong } from './referrers.ts';

/** Options of an {@link ArchivePlace}. */
export interface ArchiveOptions extends Pick<SaveOptions, 'durability'> {
  /** What is written; what is read tells itself what it is. */
  readonly format: 'oci' | 'docker';
  /** The image that is meant: its tag, whole name or digest; the only one, if not said, or a new one without a name. */
  readonly image?: string | undefined;
}

/**
 * An image in an archive file, as a source and a target of copies: `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`. A
 * source is read in place. A target gathers beside the file what arrives, since a tar file has to be written in order, and
 * the file is replaced when the image is finished; a pipe or a device gets all of it then.
 */
export class ArchivePlace {
  readonly kind = 'archive';
  readonly name: string;
  /** What the name says behind the file. */
  readonly image: string;
  readonly #path: string;
  readonly #options: ArchiveOptions;

  constructor(path: string, options: ArchiveOptions) {
    this.#path = path;
    this.#options = options;
    const { format, image = '' } = options;
    this.image = image;
    this.name = [`${format}-archive`, path, ...(image === '' ? [] : [image])].join(':');
  }

  /** Every image in the archive. @throws DrayError as `importArchive` does for what is wrong with an archive. */
  async images({ signal }: AbortableOptions = {}): Promise<readonly ArchiveImage[]> {
    await using archive = await openArchive(this.#path, { signal });
    return (await contentsOf(archive.catalog, { signal })).images;
  }

  /** @throws DrayError as {@link images} does; `not-found` when the image is not in it. */
  async source({ signal }: AbortableOptions = {}): Promise<PlaceSource> {
    await using resources = new AsyncDisposableStack();
    const { catalog } = resources.use(await openArchive(this.#path, { signal }));
    const contents = await contentsOf(catalog, { signal });
    const root = pickImage(contents.images, parseWanted(this.image));
    const fetcher = fetcherOf(catalog, contents);
    const held = resources.move();
    const referrers = referrersAmong(contents.images, fetcher);
    return { root, name: this.name, fetcher, referrers, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }

  /** @throws DrayError `invalid-argument` for a name that such an archive cannot have. */
  async target({ signal }: AbortableOptions = {}): Promise<PlaceTarget> {
    signal?.throwIfAborted();
    const { format, durability } = this.#options;
    const { name } = parseWanted(this.image);
    const tag = name === undefined || format === 'oci' ? undefined : formatReference(parseReference(name));
    if (name !== undefined && format === 'oci') checkRefName(name);
    const directory = await gatheringDirectory(this.#path);
    const writer = new LayoutWriter(directory, { durability: 'none' });
    const referrers = new Map<Digest, Descriptor[]>();
    return {
      pusher: { push: (target, open, options) => writer.put(target, open, options) },
      refer: async (subject, referrer) =>
        void referrers.set(subject, [...(referrers.get(subject) ?? []), bare(referrer)]),
      finish: async (root, options = {}) => {
        await using store = new LocalStore(directory);
        const target = entryOf({ target: root, refName: format === 'oci' ? name : undefined });
        // What was not copied, for example other platforms, is not there to be written.
        const how: ExportOptions = {
          format,
          missing: 'skip',
          transient: true,
          referrers: async ({ digest }) => referrers.get(digest) ?? [],
          signal: options.signal,
        };
        const image = { target, names: tag === undefined ? [] : [tag] };
        await saveArchive(this.#path, exportArchive(store, [image], how), { durability, signal: options.signal });
        return `${format}-archive:${this.#path}@${root.digest}`;
      },
      [Symbol.asyncDispose]: () => removeTree(directory),
    };
  }
}

async function gatheringDirectory(path: string): Promise<string> {
  const target = await archiveTarget(path);
  try {
    if (isPipeOrDevice(target.found)) return await mkdtemp(join(tmpdir(), 'dray-archive-'));
    await new Durability('none').makeDirectory(dirname(target.path), 0o777);
    const directory = `${target.path}.${randomUUID()}.tmp`;
    // For its owner alone, as the archive that is there may be.
    await mkdir(directory, { mode: 0o700 });
    return directory;
  } catch (error) {
    throw fileFailure(error, 'target', path);
  }
}

function fetcherOf(catalog: Catalog, { documents }: ArchiveContents): Fetcher {
  const made = new Map<Digest, Uint8Array>(documents.map(({ descriptor, bytes }) => [descriptor.digest, bytes]));
  const files = new Map<Digest, FileInArchive>();
  for (const file of catalog.files()) {
    if (file instanceof FileInArchive && file.knownDigest !== undefined) files.set(file.knownDigest, file);
  }
  return {
    async fetch(target, { offset = 0 } = {}) {
      const document = made.get(target.digest);
      if (document !== undefined) return streamOf(document.subarray(offset));
      const file = files.get(target.digest);
      if (file === undefined) throw notInArchive(target);
      return file.open(offset);
    },
  };
}

function notInArchive({ mediaType, digest, size }: Descriptor): DrayError {
  return new DrayError('not-found', `${digest} is not in the archive`, {
    reason: 'bad-archive',
    side: 'source',
    descriptor: { mediaType, digest, size },
    hint: 'the archive is incomplete: make it again with all of its content',
  });
}
