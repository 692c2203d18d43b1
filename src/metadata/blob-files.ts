import { type Dirent, lstatSync, unlinkSync, utimesSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { sizeIfThere } from '../content/local/blob-directory.ts';
import { storeFailure } from '../content/local/failure.ts';
import { Paths } from '../content/local/paths.ts';
import { codeOf } from '../errors.ts';
import { algorithms, type Digest, isDigest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';

/** A file in the place of a blob. */
export interface BlobFile {
  readonly digest: Digest;
  readonly size: number;
  /** When it was committed, or adopted. */
  readonly committedAt: Timestamp;
}

/**
 * The files of blobs as the database's side sees them. An entry is made and a file is removed only inside a transaction, and
 * each looks at the other first: so no entry is made for a file that is gone, and no file goes that has an entry.
 */
export class BlobFiles {
  readonly #paths: Paths;

  constructor(contentRoot: string) {
    this.#paths = new Paths(contentRoot);
  }

  /** Bytes of a blob's file; undefined when there is none. */
  size(digest: Digest): number | undefined {
    return sizeIfThere(this.#paths.blob(digest));
  }

  /**
   * Marks a file as committed now: one that was there before the store is the store's from then on, also when the clock has
   * gone back to before `since`, when the store was made.
   */
  touchNow(digest: Digest, since: Timestamp): void {
    const latest = Math.max(Number(Timestamp.now().nanoseconds), Number(since.nanoseconds)) / 1e9;
    // Some file systems keep every other second, and seconds as a number are off by a fraction of a microsecond.
    const seconds = (Math.floor(latest / 2) + 1) * 2;
    utimesSync(this.#paths.blob(digest), seconds, seconds);
  }

  /** Removes a blob's file, inside the transaction that found it to have no entry. What is gone already is fine. */
  removeNow(digest: Digest): void {
    try {
      unlinkSync(this.#paths.blob(digest));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw storeFailure(error, `remove ${digest}`);
    }
  }

  /** The file of a blob, when it is a plain file. */
  findNow(digest: Digest): BlobFile | undefined {
    const found = lstatSync(this.#paths.blob(digest), { bigint: true, throwIfNoEntry: false });
    if (found === undefined || !found.isFile()) return undefined;
    return { digest, size: Number(found.size), committedAt: new Timestamp(found.mtimeNs) };
  }

  /** Paths among the blobs that no store of this kind makes. */
  async *strangers(): AsyncGenerator<string> {
    for await (const entry of entriesOf(this.#paths.blobs)) {
      const path = join(entry.parentPath, entry.name);
      if (!known.includes(entry.name) || !entry.isDirectory()) yield path;
      else for await (const one of entriesOf(path)) if (!isBlob(entry.name, one)) yield join(path, one.name);
    }
  }

  /** The digests that have something in their place, in no order; names that are no digest are not ours and left out. */
  async *digests(): AsyncGenerator<Digest> {
    for await (const batch of this.batches()) yield* batch;
  }

  /** As {@link digests}, many at a time. */
  async *batches(): AsyncGenerator<Digest[]> {
    for (const algorithm of algorithms) {
      let batch: Digest[] = [];
      for await (const { name } of entriesOf(this.#paths.algorithm(algorithm))) {
        const digest: Digest = `${algorithm}:${name}`;
        if (isDigest(digest)) batch.push(digest);
        if (batch.length < batchSize) continue;
        yield batch;
        batch = [];
      }
      if (batch.length > 0) yield batch;
    }
  }
}

const batchSize = 500;

function isBlob(algorithm: string, entry: Dirent): boolean {
  return entry.isFile() && isDigest(`${algorithm}:${entry.name}`);
}

const known: readonly string[] = algorithms;

async function* entriesOf(directory: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(directory, { bufferSize: 256 });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw storeFailure(error, `list ${directory}`);
  }
}
