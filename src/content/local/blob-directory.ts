import { closeSync, fstatSync, fsync, lstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { mkdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { codeOf, is } from '../../errors.ts';
import { algorithmOf, type Digest } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { takenAway } from '../outcomes.ts';
import type { Target } from '../store.ts';
import type { Durability } from './durable.ts';
import type { Paths } from './paths.ts';
import { type RenameOptions, rename } from './rename.ts';

const flushFile = promisify(fsync);

/** Where blobs are files, and how files get there. */
export class BlobDirectory {
  readonly #paths: Paths;
  readonly #durability: Durability;
  #trash: Promise<unknown> | undefined;

  constructor(paths: Paths, durability: Durability) {
    this.#paths = paths;
    this.#durability = durability;
  }

  /**
   * Whether the blob is there, durably. One of another size than expected is damaged, or the expectation is wrong: then it
   * counts as missing and the bytes decide at a commit.
   */
  async has({ digest, size = 0 }: Target): Promise<boolean> {
    const found = sizeIfThere(this.#paths.blob(digest));
    if (found === undefined || (size > 0 && found !== size)) return false;
    await this.#durability.directory(this.#paths.algorithm(algorithmOf(digest)));
    return true;
  }

  /** Gives a whole, flushed file the name of its blob; false when that is there, and then the file stays where it is. */
  async place(path: string, digest: Digest, size: number): Promise<boolean> {
    return await this.#place(path, digest, size);
  }

  async #place(path: string, digest: Digest, size: number, { once }: RenameOptions = {}): Promise<boolean> {
    const blob = this.#paths.blob(digest);
    const directory = this.#paths.algorithm(algorithmOf(digest));
    // Another process may be sooner.
    const isThere = (): boolean => sizeIfThere(blob) === size;
    const isNew = !isThere() && (await this.#move(() => rename(path, blob, { isThere, once }), directory, digest));
    await this.#durability.directory(directory);
    return isNew;
  }

  async #move<T>(move: () => Promise<T>, directory: string, digest: Digest): Promise<T> {
    try {
      return await move();
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      // The directory is missing, the first time; or the file is.
      await this.#durability.makeDirectory(directory);
      // The root itself was made by the first claim on an ingest, which flushes nothing.
      await this.#durability.directory(dirname(this.#paths.root));
      try {
        return await move();
      } catch (again) {
        throw codeOf(again) === 'ENOENT' ? takenAway(digest) : again;
      }
    }
  }

  /** Makes a blob of bytes; undefined when it is there, and else when it was made. */
  async placeBytes(bytes: Uint8Array, digest: Digest): Promise<Timestamp | undefined> {
    for (;;) {
      try {
        return await this.#placeOnce(bytes, digest);
      } catch (error) {
        // Whoever cleared away what crashes left took the file for that.
        if (!is(error, 'not-found')) throw error;
      }
    }
  }

  async #placeOnce(bytes: Uint8Array, digest: Digest): Promise<Timestamp | undefined> {
    await this.makeTrash();
    // A crash leaves it where everything is going to be removed.
    const path = this.#paths.discarded();
    let isPlaced = false;
    try {
      const time = await this.#write(path, bytes);
      isPlaced = await this.#place(path, digest, bytes.byteLength, { once: renameSync });
      return isPlaced ? time : undefined;
    } finally {
      if (!isPlaced) await unlink(path).catch(() => {});
    }
  }

  // So few bytes are sooner written, and their file renamed, than another thread is told of them; a flush is not.
  async #write(path: string, bytes: Uint8Array): Promise<Timestamp> {
    const file = openSync(path, 'wx', 0o444);
    try {
      for (let done = 0; done < bytes.byteLength; ) done += writeSync(file, bytes, done);
      await this.#durability.file({ sync: () => flushFile(file) });
      return new Timestamp(fstatSync(file, { bigint: true }).mtimeNs);
    } finally {
      closeSync(file);
    }
  }

  /** Makes the directory of what is about to be gone. */
  async makeTrash(): Promise<void> {
    this.#trash ??= mkdir(this.#paths.trash, { recursive: true, mode: 0o700 });
    await this.#trash.catch((error: unknown) => {
      this.#trash = undefined;
      throw error;
    });
  }
}

/**
 * Size of the file at `path` in bytes; undefined when there is none: a link or a directory in its place cannot be read as a
 * blob. @throws what the disk has.
 */
export function sizeIfThere(path: string): number | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() ? found.size : undefined;
}
