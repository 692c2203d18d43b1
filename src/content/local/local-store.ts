import { lstat, unlink } from 'node:fs/promises';
import { codeOf, DrayError, ifThere } from '../../errors.ts';
import { parseFilters } from '../../filters/filter.ts';
import { algorithms, type Digest, isDigest } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { updateLabels } from '../labels.ts';
import { infoFields, missing } from '../outcomes.ts';
import type { ContentStore, Info, LabelChange, Status, Target, Writer, WriterOptions } from '../store.ts';
import { checkStoredSize } from '../verified.ts';
import { BlobDirectory } from './blob-directory.ts';
import { Durability, type DurabilityLevel } from './durable.ts';
import { storeFailure } from './failure.ts';
import { Hashing } from './hashing.ts';
import { LocalIngests } from './ingests.ts';
import { namesIn } from './list-directory.ts';
import { openUnlinked } from './open-unlinked.ts';
import { Paths } from './paths.ts';
import { LocalReader } from './reader.ts';
import { State } from './state.ts';

/** Options of {@link LocalStore}. */
export interface LocalStoreOptions {
  readonly durability?: DurabilityLevel | undefined;
}

/**
 * A content store in a directory of containerd's layout. Nothing is created before the first write; any number of
 * processes may use one directory at once. Whoever makes it closes it, after its writers.
 */
export class LocalStore implements ContentStore, AsyncDisposable {
  /** For a layer above that looks after them. */
  readonly ingests: LocalIngests;
  readonly #paths: Paths;
  readonly #state: State;
  readonly #blobs: BlobDirectory;
  readonly #hashing = new Hashing();

  constructor(root: string, { durability = 'full' }: LocalStoreOptions = {}) {
    this.#paths = new Paths(root);
    const flushing = new Durability(durability);
    this.#state = new State(this.#paths, flushing);
    this.#blobs = new BlobDirectory(this.#paths, flushing);
    this.ingests = new LocalIngests({
      paths: this.#paths,
      state: this.#state,
      durability: flushing,
      blobs: this.#blobs,
      hashing: this.#hashing,
    });
  }

  async reader(target: Target): Promise<LocalReader> {
    const path = this.#paths.blob(target.digest);
    const handle = await openUnlinked(path).catch((error: unknown) => {
      throw codeOf(error) === 'ENOENT' ? missing(target.digest) : storeFailure(error, `open ${target.digest}`);
    });
    try {
      const found = await handle.stat();
      if (!found.isFile())
        throw new DrayError('failed-precondition', `${target.digest} is not a file`, {
          path,
          side: 'store',
          hint: 'something else is where the blob has to be: remove it and get the blob again',
        });
      checkStoredSize(target, found.size);
      return new LocalReader({ handle, digest: target.digest, size: found.size, path, hashing: this.#hashing });
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  writer(options: WriterOptions): Promise<Writer> {
    return this.ingests.open(options, { unlessThere: true });
  }

  status(ref: string): Promise<Status> {
    return this.ingests.status(ref);
  }

  statuses(...filters: string[]): AsyncGenerator<Status> {
    return this.ingests.statuses(...filters);
  }

  abort(ref: string): Promise<void> {
    return this.ingests.abort(ref);
  }

  /**
   * Whether the blob is there, durably. One of another size than expected is damaged, or the expectation is wrong: then it
   * counts as missing and the bytes decide at a commit.
   */
  has(target: Target): Promise<boolean> {
    return this.#blobs.has(target);
  }

  async info(digest: Digest): Promise<Info> {
    const info = await this.#find(digest);
    if (info === undefined) throw missing(digest);
    return info;
  }

  // A link or a directory in the place of a blob is none.
  async #find(digest: Digest): Promise<Info | undefined> {
    const found = await ifThere(lstat(this.#paths.blob(digest), { bigint: true })).catch((error: unknown) => {
      throw storeFailure(error, `look at ${digest}`);
    });
    if (found === undefined || !found.isFile()) return undefined;
    const record = this.#state.labels(digest);
    const createdAt = new Timestamp(found.mtimeNs);
    const changed = record !== undefined && record.updatedAt.nanoseconds > createdAt.nanoseconds;
    return {
      digest,
      size: Number(found.size),
      createdAt,
      updatedAt: changed ? record.updatedAt : createdAt,
      labels: record?.labels ?? {},
    };
  }

  async update({ digest, labels = {} }: LabelChange, ...fieldpaths: string[]): Promise<Info> {
    const { updatedAt: _, ...info } = await this.info(digest);
    const record = this.#state.changeLabels(digest, (current) => updateLabels(current, labels, fieldpaths));
    return { ...info, ...record };
  }

  async *walk(...filters: string[]): AsyncGenerator<Info> {
    const filter = parseFilters(filters);
    for (const algorithm of [...algorithms].sort()) {
      for (const name of await namesIn(this.#paths.algorithm(algorithm))) {
        const digest: Digest = `${algorithm}:${name}`;
        if (!isDigest(digest)) continue;
        const info = await this.#find(digest);
        if (info !== undefined && filter(infoFields(info))) yield info;
      }
    }
  }

  async delete(digest: Digest): Promise<void> {
    await unlink(this.#paths.blob(digest)).catch((error: unknown) => {
      throw codeOf(error) === 'ENOENT' ? missing(digest) : storeFailure(error, `delete ${digest}`);
    });
    this.#state.forget(digest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hashing[Symbol.dispose]();
    this.#state[Symbol.dispose]();
  }
}
