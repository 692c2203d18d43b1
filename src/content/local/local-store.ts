import { randomUUID } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { because, codeOf, DrayError } from '../../errors.ts';
import { parseFilters } from '../../filters/filter.ts';
import { algorithmOf, algorithms, canonicalAlgorithm, type Digest, isDigest } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { presentLabels, updateLabels } from '../labels.ts';
import { infoFields, ingestExists, missing, noIngest, statusFields, takenAway } from '../outcomes.ts';
import type { CommitOptions, ContentStore, Info, Labels, Status, Target, WriterOptions } from '../store.ts';
import { sizeMismatch } from '../verified.ts';
import { Durability, type DurabilityLevel, removeTree } from './durable.ts';
import { storeFailure } from './failure.ts';
import { Hashing } from './hashing.ts';
import { openIngest, readStatus } from './ingest.ts';
import { keyOf, Paths } from './paths.ts';
import { LocalReader } from './reader.ts';
import { type Claim, State } from './state.ts';
import { LocalWriter, sizeIfThere } from './writer.ts';

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
  readonly #hashing = new Hashing();

  constructor(root: string, { durability = 'full' }: LocalStoreOptions = {}) {
    this.#paths = new Paths(root);
    this.#state = new State(this.#paths);
    this.#durability = new Durability(durability);
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

  writer(options: WriterOptions): Promise<LocalWriter> {
    return this.#open(options, true);
  }

  /** As {@link writer}, also when the blob is there: for a layer above that has its own record of who holds which blob. */
  ingest(options: WriterOptions): Promise<LocalWriter> {
    return this.#open(options, false);
  }

  async #open({ ref, target, signal }: WriterOptions, unlessThere: boolean): Promise<LocalWriter> {
    if (ref === '') throw new DrayError('invalid-argument', 'an ingest needs a ref');
    signal?.throwIfAborted();
    const algorithm = target === undefined ? canonicalAlgorithm : algorithmOf(target.digest);
    const key = keyOf(ref);
    const claim = this.#state.claim(key, ref);
    try {
      if (unlessThere && target !== undefined && (await this.has(target))) throw ingestExists(target.digest);
      const paths = this.#paths.ingest(key);
      await mkdir(paths.directory, { recursive: true, mode: 0o700 });
      const total = target?.size === 0 ? undefined : target?.size;
      const ingest = await openIngest(paths, { ref, total, algorithm, hashing: this.#hashing, signal });
      return new LocalWriter(
        {
          ref,
          paths,
          claim,
          hasher: (algorithm, size) => this.#hashing.hasher(algorithm, size),
          flush: (handle) => this.#durability.file(handle),
          publish: (digest, size, time, options) => this.#publish(key, digest, size, time, options),
        },
        ingest,
      );
    } catch (error) {
      claim.release();
      throw storeFailure(error, `open ingest ${ref}`);
    }
  }

  /**
   * Whether the blob is there, durably. One of another size than expected is damaged, or the expectation is wrong: then it
   * counts as missing and the bytes decide at a commit.
   */
  async has({ digest, size = 0 }: Target): Promise<boolean> {
    const found = await sizeIfThere(this.#paths.blob(digest));
    if (found === undefined || (size > 0 && found !== size)) return false;
    await this.#durability.directory(this.#paths.algorithm(algorithmOf(digest)));
    return true;
  }

  async #publish(key: string, digest: Digest, size: number, time: Timestamp, { labels }: CommitOptions): Promise<Info> {
    const blob = this.#paths.blob(digest);
    const directory = this.#paths.algorithm(algorithmOf(digest));
    const paths = this.#paths.ingest(key);
    await this.#durability.makeDirectory(directory);
    const found = await sizeIfThere(blob);
    if (found !== size) {
      await rename(paths.data, blob).catch((error: unknown) => {
        throw codeOf(error) === 'ENOENT' ? takenAway(digest) : error;
      });
    }
    await this.#durability.directory(directory);
    await this.#discard(paths.directory);
    if (found === size) throw ingestExists(digest);
    const present = presentLabels(labels ?? {});
    if (Object.keys(present).length > 0) this.#state.changeLabels(digest, () => present);
    return { digest, size, createdAt: time, updatedAt: time, labels: present };
  }

  async status(ref: string): Promise<Status> {
    const key = keyOf(ref);
    const found = await readStatus(this.#paths.ingest(key));
    if (found === undefined || found.ref !== ref) throw noIngest(ref);
    return { ...found, active: this.#state.isOwned(key) };
  }

  async *statuses(...filters: string[]): AsyncGenerator<Status> {
    const filter = parseFilters(filters);
    for (const key of await namesIn(this.#paths.ingests)) {
      const found = await readStatus(this.#paths.ingest(key));
      if (found === undefined || keyOf(found.ref) !== key) continue;
      if (filter(statusFields(found))) yield { ...found, active: this.#state.isOwned(key) };
    }
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
    const away = join(this.#paths.trash, randomUUID());
    await mkdir(this.#paths.trash, { recursive: true, mode: 0o700 });
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
