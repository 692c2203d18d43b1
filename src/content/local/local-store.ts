import { type BigIntStats, constants, existsSync } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { because, codeOf, DrayError } from '../../errors.ts';
import { parseFilters } from '../../filters/filter.ts';
import {
  type Algorithm,
  algorithmOf,
  algorithms,
  canonicalAlgorithm,
  type Digest,
  isDigest,
} from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { presentLabels, updateLabels } from '../labels.ts';
import { infoFields, ingestExists, missing, noIngest, statusFields } from '../outcomes.ts';
import type { CommitOptions, ContentStore, Info, Labels, Status, Target, Writer, WriterOptions } from '../store.ts';
import { sizeMismatch } from '../verified.ts';
import { BlobDirectory } from './blob-directory.ts';
import { Durability, type DurabilityLevel, FlushAhead, removeTree } from './durable.ts';
import { storeFailure } from './failure.ts';
import { Hashing } from './hashing.ts';
import { type OpenIngestOptions, openIngest, readStatus } from './ingest.ts';
import { keyOf, Paths } from './paths.ts';
import { LocalReader } from './reader.ts';
import { SmallWriter, smallIngest } from './small-writer.ts';
import { type Claim, State } from './state.ts';
import { LocalWriter, type WriterContext } from './writer.ts';

/** Options of {@link LocalStore}. */
export interface LocalStoreOptions {
  readonly durability?: DurabilityLevel | undefined;
}

/**
 * A content store in a directory of containerd's layout. Nothing is created before the first write; any number of
 * processes may use one directory at once. Whoever makes it closes it, after its writers.
 */
export class LocalStore implements ContentStore, AsyncDisposable {
  readonly #paths: Paths;
  readonly #state: State;
  readonly #durability: Durability;
  readonly #blobs: BlobDirectory;
  readonly #hashing = new Hashing();
  readonly #small = new Map<string, SmallWriter>();

  constructor(root: string, { durability = 'full' }: LocalStoreOptions = {}) {
    this.#paths = new Paths(root);
    this.#state = new State(this.#paths);
    this.#durability = new Durability(durability);
    this.#blobs = new BlobDirectory(this.#paths, this.#durability);
  }

  async reader(target: Target): Promise<LocalReader> {
    const path = this.#paths.blob(target.digest);
    const handle = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch((error: unknown) => {
      throw codeOf(error) === 'ENOENT' ? missing(target.digest) : storeFailure(error, `open ${target.digest}`);
    });
    try {
      const found = await handle.stat();
      if (!found.isFile())
        throw new DrayError('failed-precondition', `${target.digest} is not a file`, { path, side: 'store' });
      if (target.size !== undefined && target.size > 0 && target.size !== found.size) {
        throw sizeMismatch(target.digest, target.size, found.size, false);
      }
      return new LocalReader({ handle, digest: target.digest, size: found.size, path, hashing: this.#hashing });
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  writer(options: WriterOptions): Promise<Writer> {
    return this.#open(options, true);
  }

  /** As {@link writer}, also when the blob is there: for a layer above that has its own record of who holds which blob. */
  ingest(options: WriterOptions): Promise<Writer> {
    return this.#open(options, false);
  }

  async #open({ ref, target, signal }: WriterOptions, unlessThere: boolean): Promise<Writer> {
    if (ref === '') throw new DrayError('invalid-argument', 'an ingest needs a ref');
    signal?.throwIfAborted();
    const algorithm = target === undefined ? canonicalAlgorithm : algorithmOf(target.digest);
    const key = keyOf(ref);
    const claim = this.#state.claim(key, ref);
    try {
      if (unlessThere && target !== undefined && (await this.has(target))) throw ingestExists(target.digest);
      const total = target?.size === 0 ? undefined : target?.size;
      const isSmall = total !== undefined && total <= smallIngest && !existsSync(this.#paths.ingest(key).directory);
      if (isSmall) return this.#inMemory(key, { ref, total, algorithm }, claim);
      return await this.#onDisk(key, { ref, total, algorithm, hashing: this.#hashing, signal }, claim);
    } catch (error) {
      claim.release();
      throw storeFailure(error, `open ingest ${ref}`);
    }
  }

  #inMemory(
    key: string,
    { ref, total, algorithm }: { ref: string; total: number; algorithm: Algorithm },
    claim: Claim,
  ): SmallWriter {
    const writer = new SmallWriter({
      ref,
      total,
      algorithm,
      toDisk: async (bytes, { startedAt, updatedAt }) => {
        const options = { ref, total, algorithm, startedAt, hashing: this.#hashing };
        const onDisk = await this.#onDisk(key, options, claim);
        try {
          await onDisk.takeOver(bytes, updatedAt);
        } catch (error) {
          await onDisk[Symbol.asyncDispose]();
          throw error;
        }
        this.#small.delete(key);
        return onDisk;
      },
      publish: async (bytes, digest, options) =>
        this.#describe(await this.#blobs.placeBytes(bytes, digest), digest, bytes.byteLength, options),
      release: () => {
        this.#small.delete(key);
        claim.release();
      },
    });
    this.#small.set(key, writer);
    return writer;
  }

  async #onDisk(key: string, options: OpenIngestOptions, claim: Claim): Promise<LocalWriter> {
    const paths = this.#paths.ingest(key);
    await mkdir(paths.directory, { recursive: true, mode: 0o700 });
    const context: WriterContext = {
      ref: options.ref,
      paths,
      claim,
      hasher: (algorithm, size) => this.#hashing.hasher(algorithm, size),
      flushing: (handle) => new FlushAhead(this.#durability, handle),
      publish: (digest, size, time, expected) => this.#publish(key, digest, size, time, expected),
    };
    return new LocalWriter(context, await openIngest(paths, options));
  }

  /**
   * Whether the blob is there, durably. One of another size than expected is damaged, or the expectation is wrong: then it
   * counts as missing and the bytes decide at a commit.
   */
  has(target: Target): Promise<boolean> {
    return this.#blobs.has(target);
  }

  async #publish(key: string, digest: Digest, size: number, time: Timestamp, options: CommitOptions): Promise<Info> {
    const paths = this.#paths.ingest(key);
    const isNew = await this.#blobs.place(paths.data, digest, size);
    await this.#discard(paths.directory);
    return this.#describe(isNew ? time : undefined, digest, size, options);
  }

  #describe(time: Timestamp | undefined, digest: Digest, size: number, { labels = {} }: CommitOptions): Info {
    if (time === undefined) throw ingestExists(digest);
    const present = presentLabels(labels);
    if (Object.keys(present).length > 0) this.#state.changeLabels(digest, () => present);
    return { digest, size, createdAt: time, updatedAt: time, labels: present };
  }

  async status(ref: string): Promise<Status> {
    const key = keyOf(ref);
    const found = await this.#statusOf(key);
    if (found === undefined || found.ref !== ref) throw noIngest(ref);
    return { ...found, active: this.#state.isOwned(key) };
  }

  async *statuses(...filters: string[]): AsyncGenerator<Status> {
    const filter = parseFilters(filters);
    const keys = new Set([...(await namesIn(this.#paths.ingests)), ...this.#small.keys()]);
    for (const key of [...keys].sort()) {
      const found = await this.#statusOf(key);
      if (found === undefined || keyOf(found.ref) !== key) continue;
      if (filter(statusFields(found))) yield { ...found, active: this.#state.isOwned(key) };
    }
  }

  // One in memory is seen by its own store alone.
  async #statusOf(key: string): Promise<Status | undefined> {
    return this.#small.get(key)?.current ?? (await readStatus(this.#paths.ingest(key)));
  }

  async abort(ref: string): Promise<void> {
    const key = keyOf(ref);
    const { directory } = this.#paths.ingest(key);
    const claim: Claim = this.#state.claim(key, ref);
    try {
      if (!(await this.#discard(directory))) throw noIngest(ref);
    } catch (error) {
      throw storeFailure(error, `abort ingest ${ref}`);
    } finally {
      claim.release();
    }
  }

  /**
   * Removes an ingest that nobody has open and nobody wrote to since `before`; returns whether it did.
   * @throws DrayError what the disk has.
   */
  async expire(ref: string, before: Timestamp): Promise<boolean> {
    return await this.#expire(
      keyOf(ref),
      (found) => found !== undefined && found.updatedAt.nanoseconds < before.nanoseconds,
    );
  }

  /** Removes what crashes left: half-made ingests and half-removed files that nobody touched since `before`. */
  async removeDebris(before: Timestamp): Promise<void> {
    for await (const key of this.brokenIngests())
      if (await isOlder(this.#paths.ingest(key).directory, before)) await this.removeBroken(key);
    for (const name of await namesIn(this.#paths.trash)) {
      const path = join(this.#paths.trash, name);
      if (await isOlder(path, before)) await removeTree(path);
    }
  }

  /** The keys of ingests that nobody can go on with, half-made ones above all, and that nobody is making just now. */
  async *brokenIngests(): AsyncGenerator<string> {
    for (const key of await namesIn(this.#paths.ingests)) {
      if (!keyPattern.test(key) || !isBroken(key, await readStatus(this.#paths.ingest(key)))) continue;
      if (!this.#state.isOwned(key)) yield key;
    }
  }

  /** Removes one of {@link brokenIngests}, if it still is; returns whether it did. */
  async removeBroken(key: string): Promise<boolean> {
    return await this.#expire(key, (found) => isBroken(key, found));
  }

  async #expire(key: string, isDoomed: (found: Status | undefined) => boolean): Promise<boolean> {
    const paths = this.#paths.ingest(key);
    if (!isDoomed(await readStatus(paths)) || this.#state.isOwned(key)) return false;
    let claim: Claim | undefined;
    try {
      claim = this.#state.claim(key, key);
      // Looked at again, since somebody may have gone on with it until now.
      return isDoomed(await readStatus(paths)) && (await this.#discard(paths.directory));
    } catch (error) {
      if (because(error, 'locked')) return false;
      throw storeFailure(error, `remove ingest ${key}`);
    } finally {
      claim?.release();
    }
  }

  async info(digest: Digest): Promise<Info> {
    const path = this.#paths.blob(digest);
    const found = await lstat(path, { bigint: true }).catch((error: unknown) => {
      throw codeOf(error) === 'ENOENT' ? missing(digest) : storeFailure(error, `look at ${digest}`);
    });
    return this.#infoOf(digest, found);
  }

  #infoOf(digest: Digest, found: BigIntStats): Info {
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

  async update(
    { digest, labels = {} }: { digest: Digest; labels?: Labels | undefined },
    ...fieldpaths: string[]
  ): Promise<Info> {
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
        const found = await lstat(this.#paths.blob(digest), { bigint: true }).catch(() => undefined);
        if (found === undefined || !found.isFile()) continue;
        const info = this.#infoOf(digest, found);
        if (filter(infoFields(info))) yield info;
      }
    }
  }

  async delete(digest: Digest): Promise<void> {
    await unlink(this.#paths.blob(digest)).catch((error: unknown) => {
      throw codeOf(error) === 'ENOENT' ? missing(digest) : storeFailure(error, `delete ${digest}`);
    });
    this.#state.forget(digest);
  }

  // Moved away in one step first, so that no other process meets it half-removed.
  async #discard(directory: string): Promise<boolean> {
    const away = this.#paths.discarded();
    await this.#blobs.makeTrash();
    try {
      await rename(directory, away);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
    await removeTree(away);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hashing[Symbol.dispose]();
    this.#state[Symbol.dispose]();
  }
}

function isBroken(key: string, found: Status | undefined): boolean {
  return found === undefined || keyOf(found.ref) !== key;
}

const keyPattern = /^[0-9a-f]{64}$/;

async function isOlder(path: string, before: Timestamp): Promise<boolean> {
  const found = await lstat(path, { bigint: true }).catch(() => undefined);
  return found !== undefined && found.ctimeNs < before.nanoseconds;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw storeFailure(error, `list ${directory}`);
  }
}
