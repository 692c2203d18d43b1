import { existsSync } from 'node:fs';
import { lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { because, ifThere } from '../../errors.ts';
import { parseFilters } from '../../filters/filter.ts';
import { type Algorithm, algorithmOf, canonicalAlgorithm, type Digest } from '../../spec/digest.ts';
import type { Timestamp } from '../../spec/timestamp.ts';
import { presentLabels } from '../labels.ts';
import { checkRef, ingestExists, noIngest, statusFields, totalOf } from '../outcomes.ts';
import type { CommitOptions, Info, IngestManager, Status, Writer, WriterOptions } from '../store.ts';
import type { BlobDirectory } from './blob-directory.ts';
import { type Durability, type FileToFlush, FlushAhead, removeTree } from './durable.ts';
import { storeFailure } from './failure.ts';
import type { Hashing } from './hashing.ts';
import { flushBeside, type OpenIngestOptions, openIngest, readStatus } from './ingest.ts';
import { namesIn } from './list-directory.ts';
import { type IngestPaths, keyOf, type Paths } from './paths.ts';
import { rename } from './rename.ts';
import { SmallWriter, smallIngest } from './small-writer.ts';
import type { Claim, State } from './state.ts';
import { LocalWriter, type WriterContext } from './writer.ts';

/** What the ingests of a local store are made with. */
export interface LocalIngestsContext {
  readonly paths: Paths;
  readonly state: State;
  readonly durability: Durability;
  readonly blobs: BlobDirectory;
  readonly hashing: Hashing;
}

/** How to open an ingest. */
interface OpenOptions {
  /** Refuse when the blob is there. */
  readonly unlessThere?: boolean | undefined;
}

/** The ingests of a local store: blobs that are on their way into it. */
export class LocalIngests implements IngestManager {
  readonly #context: LocalIngestsContext;
  readonly #small = new Map<string, SmallWriter>();

  constructor(context: LocalIngestsContext) {
    this.#context = context;
  }

  /**
   * Opens an ingest.
   * @throws DrayError as `writer` of a content store does, and `already-exists` only with `unlessThere`: a layer above has its own
   * record of who holds which blob.
   */
  async open({ ref, target, size, signal }: WriterOptions, { unlessThere = false }: OpenOptions = {}): Promise<Writer> {
    checkRef(ref);
    signal?.throwIfAborted();
    const algorithm = target === undefined ? canonicalAlgorithm : algorithmOf(target.digest);
    const key = keyOf(ref);
    const claim = this.#context.state.claim(key, ref);
    try {
      if (unlessThere && target !== undefined && (await this.#context.blobs.has(target)))
        throw ingestExists(target.digest);
      const total = totalOf({ target, size });
      const isSmall =
        total !== undefined && total <= smallIngest && !existsSync(this.#context.paths.ingest(key).directory);
      if (isSmall) return this.#inMemory(key, { ref, total, algorithm }, claim);
      return await this.#onDisk(key, { ref, total, algorithm, hashing: this.#context.hashing, signal }, claim);
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
        const options = { ref, total, algorithm, startedAt, hashing: this.#context.hashing };
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
        this.#describe(await this.#context.blobs.placeBytes(bytes, digest), digest, bytes.byteLength, options),
      release: () => {
        this.#small.delete(key);
        claim.release();
      },
    });
    this.#small.set(key, writer);
    return writer;
  }

  async #onDisk(key: string, options: OpenIngestOptions, claim: Claim): Promise<LocalWriter> {
    const paths = this.#context.paths.ingest(key);
    await mkdir(paths.directory, { recursive: true, mode: 0o700 });
    const context: WriterContext = {
      ref: options.ref,
      paths,
      claim,
      hasher: (algorithm, size) => this.#context.hashing.hasher(algorithm, size),
      flushing: (handle) =>
        new FlushAhead(this.#context.durability, resumable(handle, paths, this.#context.durability)),
      publish: (digest, size, time, expected) => this.#publish(key, digest, size, time, expected),
    };
    return new LocalWriter(context, await openIngest(paths, options));
  }

  async #publish(key: string, digest: Digest, size: number, time: Timestamp, options: CommitOptions): Promise<Info> {
    const paths = this.#context.paths.ingest(key);
    const isNew = await this.#context.blobs.place(paths.data, digest, size);
    await this.#discard(paths.directory);
    return this.#describe(isNew ? time : undefined, digest, size, options);
  }

  #describe(time: Timestamp | undefined, digest: Digest, size: number, { labels = {} }: CommitOptions): Info {
    if (time === undefined) throw ingestExists(digest);
    const present = presentLabels(labels);
    if (Object.keys(present).length > 0) this.#context.state.changeLabels(digest, () => present);
    return { digest, size, createdAt: time, updatedAt: time, labels: present };
  }

  async status(ref: string): Promise<Status> {
    const key = keyOf(ref);
    const found = await this.#statusOf(key);
    if (found === undefined || found.ref !== ref) throw noIngest(ref);
    return { ...found, active: this.#context.state.isOwned(key) };
  }

  async *statuses(...filters: string[]): AsyncGenerator<Status> {
    const filter = parseFilters(filters);
    const keys = new Set([...(await namesIn(this.#context.paths.ingests)), ...this.#small.keys()]);
    for (const key of [...keys].sort()) {
      const found = await this.#statusOf(key);
      if (found === undefined || keyOf(found.ref) !== key) continue;
      if (filter(statusFields(found))) yield { ...found, active: this.#context.state.isOwned(key) };
    }
  }

  // One in memory is seen by its own store alone.
  async #statusOf(key: string): Promise<Status | undefined> {
    return this.#small.get(key)?.current ?? (await readStatus(this.#context.paths.ingest(key)));
  }

  async abort(ref: string): Promise<void> {
    const key = keyOf(ref);
    const { directory } = this.#context.paths.ingest(key);
    const claim: Claim = this.#context.state.claim(key, ref);
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
    for await (const key of this.broken())
      if (await isOlder(this.#context.paths.ingest(key).directory, before)) await this.removeBroken(key);
    for (const name of await namesIn(this.#context.paths.trash)) {
      const path = join(this.#context.paths.trash, name);
      if (await isOlder(path, before)) await removeTree(path);
    }
  }

  /** The keys of ingests that nobody can go on with, half-made ones above all, and that nobody is making just now. */
  async *broken(): AsyncGenerator<string> {
    for (const key of await namesIn(this.#context.paths.ingests)) {
      if (!keyPattern.test(key) || !(await this.#isBroken(key)) || this.#context.state.isOwned(key)) continue;
      // Whoever had it may have finished it between the two looks.
      if (await this.#isBroken(key)) yield key;
    }
  }

  async #isBroken(key: string): Promise<boolean> {
    const paths = this.#context.paths.ingest(key);
    return isBroken(key, await readStatus(paths)) && existsSync(paths.directory);
  }

  /** Removes one of {@link broken}, if it still is; returns whether it did. */
  async removeBroken(key: string): Promise<boolean> {
    return await this.#expire(key, (found) => isBroken(key, found));
  }

  async #expire(key: string, isDoomed: (found: Status | undefined) => boolean): Promise<boolean> {
    const paths = this.#context.paths.ingest(key);
    if (!isDoomed(await readStatus(paths)) || this.#context.state.isOwned(key)) return false;
    let claim: Claim | undefined;
    try {
      claim = this.#context.state.claim(key, key);
      // Looked at again, since somebody may have gone on with it until now.
      return isDoomed(await readStatus(paths)) && (await this.#discard(paths.directory));
    } catch (error) {
      if (because(error, 'locked')) return false;
      throw storeFailure(error, `remove ingest ${key}`);
    } finally {
      claim?.release();
    }
  }

  // Moved away in one step first, so that no other process meets it half-removed.
  async #discard(directory: string): Promise<boolean> {
    const away = this.#context.paths.discarded();
    await this.#context.blobs.makeTrash();
    if ((await ifThere(rename(directory, away))) === undefined) return false;
    // What stays there, since a scanner of Windows has it open for example, goes with a collection, which tells what it cannot remove.
    await removeTree(away).catch(() => {});
    return true;
  }
}

// The data of a large ingest, which is flushed in pieces. With the first go the files beside it, without which nobody could go on
// with it after a power cut; those of a small one are not worth it.
function resumable(handle: FileToFlush, paths: IngestPaths, durability: Durability): FileToFlush {
  let beside: Promise<void> | undefined;
  return {
    async datasync() {
      beside ??= flushBeside(paths, durability);
      await beside;
      await handle.datasync();
    },
    sync: () => handle.sync(),
  };
}

function isBroken(key: string, found: Status | undefined): boolean {
  return found === undefined || keyOf(found.ref) !== key;
}

const keyPattern = /^[0-9a-f]{64}$/;

async function isOlder(path: string, before: Timestamp): Promise<boolean> {
  const found = await lstat(path, { bigint: true }).catch(() => undefined);
  return found !== undefined && found.ctimeNs < before.nanoseconds;
}
