import { constants } from 'node:fs';
import { chmod, type FileHandle, open, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, ifThere } from '../../errors.ts';
import type { Algorithm } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { continues } from '../outcomes.ts';
import type { AbortableOptions, Status } from '../store.ts';
import type { Durability } from './durable.ts';
import type { Hashing, StreamHasher } from './hashing.ts';
import type { IngestPaths } from './paths.ts';
import { readFileRange } from './read-file.ts';
import { rename } from './rename.ts';

/** What the files of an ingest say. `undefined` for one that is half made or was written by nobody we know. */
export async function readStatus(paths: IngestPaths): Promise<Status | undefined> {
  const [ref, data, total, startedAt, updatedAt] = await Promise.all([
    readIfThere(paths.ref),
    ifThere(stat(paths.data, { bigint: true })),
    readIfThere(paths.total),
    readTime(paths.startedAt),
    readTime(paths.updatedAt),
  ]);
  if (ref === undefined || ref === '' || data === undefined || startedAt === undefined || updatedAt === undefined)
    return undefined;
  const touched = new Timestamp(data.mtimeNs);
  return {
    ref,
    offset: Number(data.size),
    ...(total !== undefined && /^[1-9]\d{0,15}$/.test(total) ? { total: Number(total) } : {}),
    startedAt,
    updatedAt: touched.nanoseconds > updatedAt.nanoseconds ? touched : updatedAt,
  };
}

/** An ingest that a writer may append to: its open data file, with the hash of what is in it. */
export interface OpenIngest {
  readonly handle: FileHandle;
  readonly hasher: StreamHasher;
  readonly offset: number;
  readonly total: number | undefined;
  readonly startedAt: Timestamp;
  readonly updatedAt: Timestamp;
}

/** How to open an ingest. */
export interface OpenIngestOptions extends AbortableOptions {
  readonly ref: string;
  readonly total: number | undefined;
  readonly algorithm: Algorithm;
  readonly hashing: Hashing;
  /** When it began, for one that is not there yet; now if not said. */
  readonly startedAt?: Timestamp | undefined;
}

/**
 * Goes on with the ingest that is there, or starts it when there is none that can be continued: then every file is made
 * anew and nothing of the old data stays (containerd keeps a stale tail). The directory exists.
 */
export async function openIngest(paths: IngestPaths, options: OpenIngestOptions): Promise<OpenIngest> {
  const found = await readStatus(paths);
  // A writer that was killed in its commit left the data as blobs are, read-only.
  if (found !== undefined) await setMode(paths.data, 0o600);
  const goesOn = found?.ref === options.ref && continues(found, options.total);
  if (!goesOn) return startIngest(paths, options);
  const handle = await open(paths.data, constants.O_RDWR);
  let hasher: StreamHasher | undefined;
  try {
    hasher = options.hashing.hasher(options.algorithm, Math.max(options.total ?? 0, found.offset));
    const offset = await hashFile(handle, hasher, found.offset, options);
    if (found.total === undefined) await writeTotal(paths, options.total);
    return {
      handle,
      hasher,
      offset,
      total: found.total ?? options.total,
      startedAt: found.startedAt,
      updatedAt: found.updatedAt,
    };
  } catch (error) {
    hasher?.close();
    await handle.close();
    throw error;
  }
}

async function startIngest(paths: IngestPaths, options: OpenIngestOptions): Promise<OpenIngest> {
  const { ref, total, algorithm, hashing } = options;
  const { startedAt = Timestamp.now() } = options;
  const handle = await open(paths.data, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o600);
  try {
    await writeTotal(paths, total);
    await writeTime(paths.startedAt, startedAt);
    await writeTime(paths.updatedAt, startedAt);
    // Last, since an ingest without it counts as not made.
    await writeFile(paths.ref, ref, { mode: 0o600 });
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { handle, hasher: hashing.hasher(algorithm, total), offset: 0, total, startedAt, updatedAt: startedAt };
}

/** Flushes what an ingest needs besides its data to be gone on with. */
export async function flushBeside(paths: IngestPaths, durability: Durability): Promise<void> {
  for (const path of [paths.ref, paths.startedAt, paths.updatedAt, paths.directory]) await durability.closedFile(path);
  await durability.directory(dirname(paths.directory));
}

/** Records when an ingest was written last, in its file and on its data. */
export async function touchIngest(paths: IngestPaths, time: Timestamp): Promise<void> {
  await setTimes(paths.data, time);
  await writeTime(paths.updatedAt, time);
}

/**
 * Sets both times of a file; a double keeps them to a quarter of a microsecond. By name, since Node's permission model
 * allows nothing of the kind through a handle.
 */
export async function setTimes(path: string, time: Timestamp): Promise<void> {
  const seconds = Number(time.nanoseconds) / 1e9;
  await utimes(path, seconds, seconds);
}

const forbiddenModes: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

/** Sets the mode of a file where its file system keeps one: that of a FAT disk forbids it. */
export async function setMode(path: string, mode: number): Promise<void> {
  await chmod(path, mode).catch((error: unknown) => {
    if (!forbiddenModes.has(codeOf(error))) throw error;
  });
}

/** Feeds the first `length` bytes of a file to a hasher; returns how many there were. */
export async function hashFile(
  handle: FileHandle,
  hasher: StreamHasher,
  length: number,
  { signal }: AbortableOptions = {},
): Promise<number> {
  let position = 0;
  for await (const piece of readFileRange(handle, { length, transient: true, signal })) {
    await hasher.update(piece);
    position += piece.byteLength;
  }
  return position;
}

// A stale total of an earlier ingest of the same ref must not survive, so an unknown one is written as no digits.
async function writeTotal(paths: IngestPaths, total: number | undefined): Promise<void> {
  const known = total !== undefined && total > 0;
  if (known || (await readIfThere(paths.total)) !== undefined)
    await writeFile(paths.total, known ? String(total) : '', { mode: 0o600 });
}

async function writeTime(path: string, time: Timestamp): Promise<void> {
  await writeFile(`${path}.tmp`, time.toString(), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}

async function readTime(path: string): Promise<Timestamp | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return Timestamp.parse(text);
  } catch {
    return undefined;
  }
}

const noFile: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP']);

// What cannot be read just now, with too many files open for example, is no reason to begin anew.
async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: unknown) => {
    if (noFile.has(codeOf(error))) return undefined;
    throw error;
  });
}
