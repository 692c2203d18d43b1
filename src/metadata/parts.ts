import { resolve } from 'node:path';
import { Durability, type DurabilityLevel } from '../content/local/durable.ts';
import { storeFailure } from '../content/local/failure.ts';
import { LocalStore } from '../content/local/local-store.ts';
import { codeOf, DrayError } from '../errors.ts';
import { BlobFiles } from './blob-files.ts';
import type { CollectOptions, CollectSummary } from './collection.ts';
import { Database } from './database.ts';

/** Who may use bytes that another namespace brought: any namespace that knows the digest, or none. */
export type Sharing = 'shared' | 'isolated';

/** How to open a store. */
export interface OpenStoreOptions {
  /** The directory, made when it is not there. */
  readonly root: string;
  /** `full` if not said: what a call reported survives a power cut. */
  readonly durability?: DurabilityLevel | undefined;
  /**
   * Who may use bytes that another namespace brought. `shared`, if not said: any namespace that knows the digest, without a
   * transfer. `isolated`: each namespace has to bring the bytes itself before it sees a blob; those that no namespace has, left by
   * a crash or not collected yet, count as brought. They are stored once either way.
   */
  readonly sharing?: Sharing | undefined;
}

/** What a store in a directory consists of. */
export interface OpenParts {
  readonly database: Database;
  readonly local: LocalStore;
  readonly files: BlobFiles;
  readonly sharing: Sharing;
}

/** What the services of a directory are made over. */
export interface StoreParts extends OpenParts {
  collect(options: CollectOptions): Promise<CollectSummary>;
}

/** Opens what a store consists of; whoever does closes it with {@link closeParts}. @throws DrayError as `openStore` does. */
export async function openParts({
  root,
  durability = 'full',
  sharing = 'shared',
}: OpenStoreOptions): Promise<OpenParts> {
  // An empty path is the current directory, which nobody means by it.
  if (typeof root !== 'string' || root === '') throw noRoot();
  if (process.platform !== 'win32' && Buffer.byteLength(resolve(root)) > longestRoot) throw tooLong(root);
  await new Durability(durability).makeDirectory(root).catch((error: unknown) => {
    throw rootFailure(error, root);
  });
  const database = await Database.open(databasePath(root), durability);
  const content = contentPath(root);
  return { database, local: new LocalStore(content, { durability }), files: new BlobFiles(content), sharing };
}

/** In bytes. SQLite opens no file whose path has more than 511 (os_unix.c), and the longest in a store, a journal, has 65 more than the root. */
const longestRoot = 446;

function tooLong(root: string): DrayError {
  return new DrayError(
    'invalid-argument',
    `there can be no store at ${root}: its path has more than ${longestRoot} bytes`,
    {
      hint: 'name a directory with a shorter path',
      side: 'store',
    },
  );
}

function noRoot(): DrayError {
  return new DrayError('invalid-argument', 'a store needs a directory', {
    hint: 'name one, as text; "." is the current directory',
    side: 'store',
  });
}

/** A file where the directory should be, a link to nowhere, a name that no file system takes, a place where nobody can make one. */
const inTheWay: ReadonlySet<string | undefined> = new Set(['EEXIST', 'ENOTDIR', 'ENOENT', 'ELOOP', 'ENAMETOOLONG']);

/** A directory of somebody else, or a disk that is only read: often the home of a user in a container. */
const notForUs: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS']);

function rootFailure(error: unknown, root: string): unknown {
  if (notForUs.has(codeOf(error)))
    return new DrayError('permission-denied', (error as Error).message, {
      operation: `open store ${root}`,
      side: 'store',
      hint: 'check the owner and the mode of the path, or name a directory that can be written to: --root DIR, or DRAY_ROOT',
      cause: error,
    });
  if (!inTheWay.has(codeOf(error))) return storeFailure(error, `open store ${root}`);
  return new DrayError('invalid-argument', `there can be no store at ${root}: ${(error as Error).message}`, {
    hint: 'name another directory for it',
    side: 'store',
    cause: error,
  });
}

export async function closeParts({ local, database }: OpenParts): Promise<void> {
  try {
    await local[Symbol.asyncDispose]();
  } finally {
    await database[Symbol.asyncDispose]();
  }
}

/** Where the blobs and ingests of a store are, as an absolute path. */
export function contentPath(root: string): string {
  return resolve(root, 'content');
}

/** Where the database of a store is, as an absolute path. */
export function databasePath(root: string): string {
  return resolve(root, 'metadata.db');
}
