import type { Stats } from 'node:fs';
import { type FileHandle, mkdtemp, open, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpacked } from '../content/compression.ts';
import { interruptible } from '../content/interruptible.ts';
import { Durability, type DurabilityLevel, removeTree } from '../content/local/durable.ts';
import { readFileRange } from '../content/local/read-file.ts';
import { replace } from '../content/local/replace.ts';
import { writeNewFile } from '../content/local/write-file.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError, ifThere } from '../errors.ts';
import { createHasher, type Digest } from '../spec/digest.ts';
import { fileFailure } from './archive-error.ts';
import { FileSource, StreamSource } from './byte-source.ts';
import { type ArchiveFile, type Catalog, type CatalogOptions, readCatalog } from './catalog.ts';
import { packingOfFile, unpackedTar } from './entries.ts';
import { digestOfName } from './entry-name.ts';
import { isPipeOrDevice, readPipe, writePipe } from './pipe.ts';
import { readTar } from './tar-reader.ts';

/** An archive that is open, so that each of its files can be read at any time. Whoever opened it closes it. */
export interface OpenArchive extends AsyncDisposable {
  readonly catalog: Catalog;
}

/**
 * Opens an archive in a file and looks through it without reading what it holds. A packed one, or what comes out of a pipe, is
 * put into a temporary file first, which is gone when the archive is closed.
 * @throws DrayError as `importArchive` does for the form of an archive; what the file system has, with the path.
 */
export async function openArchive(path: string, options: CatalogOptions = {}): Promise<OpenArchive> {
  await using resources = new AsyncDisposableStack();
  const tar = await seekable(path, resources, options).catch((error: unknown) => {
    throw fileFailure(error, 'source', path);
  });
  const { size } = await tar.stat();
  const catalog = await readCatalog(
    readTar(new FileSource(tar, size, options)),
    async (entry, name) => new FileInArchive(tar, entry.offset, entry.size, digestOfName(name)),
    options,
  );
  const held = resources.move();
  return { catalog, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

// A file that can be read anywhere: the archive itself if it is one.
async function seekable(path: string, resources: AsyncDisposableStack, options: AbortableOptions): Promise<FileHandle> {
  const found = await stat(path);
  if (isPipeOrDevice(found)) {
    const pipe = await readPipe(path, found);
    resources.defer(() => void pipe.destroy());
    return await spool(unpackedTar(new StreamSource(interruptible(pipe, options.signal)), options), resources);
  }
  const file = await open(path, 'r');
  resources.defer(() => file.close());
  const packing = await packingOfFile(file);
  if (packing === 'none') return file;
  return await spool(unpacked(readFileRange(file, options), packing, options), resources);
}

async function spool(stream: AsyncIterable<Uint8Array>, resources: AsyncDisposableStack): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), 'dray-archive-'));
  resources.defer(() => removeTree(directory));
  const file = await open(join(directory, 'archive.tar'), 'wx+', 0o600);
  resources.defer(() => file.close());
  for await (const chunk of stream) await file.writeFile(chunk);
  return file;
}

/** A range of a tar file. Its digest is the one in its name until somebody verifies it, or else computed when asked for. */
export class FileInArchive implements ArchiveFile {
  readonly size: number;
  readonly #tar: FileHandle;
  readonly #offset: number;
  #digest: Digest | undefined;

  constructor(tar: FileHandle, offset: number, size: number, digest: Digest | undefined) {
    this.#tar = tar;
    this.#offset = offset;
    this.#digest = digest;
    this.size = size;
  }

  /** The digest, if it was ever asked for. */
  get knownDigest(): Digest | undefined {
    return this.#digest;
  }

  async digest(): Promise<Digest> {
    if (this.#digest === undefined) {
      const hasher = createHasher();
      for await (const chunk of this.#read(0, { transient: true })) hasher.update(chunk);
      this.#digest = hasher.digest();
    }
    return this.#digest;
  }

  open(offset = 0): AsyncIterable<Uint8Array> {
    return this.#read(offset, {});
  }

  #read(offset: number, options: { transient?: boolean }): AsyncIterable<Uint8Array> {
    return readFileRange(this.#tar, { ...options, offset: this.#offset + offset, length: this.size - offset });
  }
}

/** Options of {@link saveArchive}. */
export interface SaveOptions extends AbortableOptions {
  /** `full` if not said: the file survives a power cut once this has returned. */
  readonly durability?: DurabilityLevel | undefined;
}

/** Where an archive is to go. */
export interface ArchiveTarget {
  /** Of the file itself, where links lead to one. */
  readonly path: string;
  /** What is there now. */
  readonly found: Stats | undefined;
}

/**
 * Looks at what is at a path that an archive is to be written to.
 * @throws DrayError `failed-precondition` for a directory; what the file system has.
 */
export async function archiveTarget(path: string): Promise<ArchiveTarget> {
  const found = await ifThere(stat(path)).catch((error: unknown) => {
    throw fileFailure(error, 'target', path);
  });
  if (found?.isDirectory() === true) {
    throw new DrayError('failed-precondition', `${path} is a directory`, {
      side: 'target',
      path,
      hint: 'an archive is a file; an image layout in a directory is oci:DIR',
    });
  }
  // A link stays one: what it leads to is replaced.
  return { path: found?.isFile() === true ? await realpath(path) : path, found };
}

/**
 * Writes a stream to a file that comes under its name in one step, when all of it is there; a failure leaves what was there
 * before. A pipe or a device takes the bytes as they come instead. Each chunk is written before the next one is asked for.
 * @throws what the stream throws; DrayError of the file system, with the path.
 */
export async function saveArchive(
  path: string,
  stream: AsyncIterable<Uint8Array>,
  options: SaveOptions = {},
): Promise<void> {
  const target = await archiveTarget(path);
  try {
    if (target.found !== undefined && isPipeOrDevice(target.found))
      await writePipe(path, target.found, stream, options);
    else await saveFile(target, stream, options);
  } catch (error) {
    throw fileFailure(error, 'target', path);
  }
}

/** The mode of a file that is new, less what the umask takes. */
const newMode = 0o666;

async function saveFile(
  { path, found }: ArchiveTarget,
  stream: AsyncIterable<Uint8Array>,
  { durability: level = 'full', signal }: SaveOptions,
): Promise<void> {
  const durability = new Durability(level);
  // What was for its owner alone stays so.
  const mode = (found?.mode ?? newMode) & newMode;
  await replace(path, (temporary) => writeNewFile(temporary, stream, { durability, mode, signal }), durability);
}
