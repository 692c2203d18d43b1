import { chmod, stat } from 'node:fs/promises';
import { Paths } from '../content/local/paths.ts';
import { pageDamage } from '../content/local/sqlite.ts';
import type { AbortableOptions } from '../content/store.ts';
import { codeOf, DrayError } from '../errors.ts';
import { BlobFiles } from './blob-files.ts';
import { contentFindings } from './doctor-content.ts';
import { damageOf, salvage, setAside } from './doctor-database.ts';
import { closeParts, contentPath, databasePath, openParts } from './parts.ts';

/** Options of {@link doctor}. */
export interface DoctorOptions extends AbortableOptions {
  readonly root: string;
  /** Mend what can be mended. */
  readonly repair?: boolean | undefined;
  /** Read every blob and compare it with its digest. */
  readonly verify?: boolean | undefined;
}

/** Something that is wrong with a store. */
export interface Finding {
  /**
   * `damaged-database`: it cannot be read as a whole; mended by setting it aside and keeping what can be read. That of who
   * writes which ingest starts anew.
   * `exposed`: others may look into the store; mended by taking that from them.
   * `missing-blob`: an entry without a file of its size; mended by removing the entry, so that nothing counts on it.
   * `damaged-blob`: bytes that are not those of the digest; mended by removing file and entries.
   * `missing-target`: an image whose target is not there; pull it.
   * `dangling-file`: a blob that no namespace has; mended by removing it, as the next collection would.
   * `foreign-file`: a file that the store has not made; left alone.
   * `broken-ingest`: one that nobody can go on with; mended by removing it.
   */
  readonly problem:
    | 'damaged-database'
    | 'exposed'
    | 'missing-blob'
    | 'damaged-blob'
    | 'missing-target'
    | 'dangling-file'
    | 'foreign-file'
    | 'broken-ingest';
  readonly namespace?: string | undefined;
  /** The digest, name, key or path it is about. */
  readonly subject: string;
  /** What there is to know besides. */
  readonly detail?: string | undefined;
  readonly repaired: boolean;
}

/**
 * Looks a store over, while others use it, and tells what is wrong as it finds it; with `repair` it mends what it can. Only a
 * damaged database has to be mended while nobody else uses the store.
 * @throws DrayError `not-found` when there is no store; `failed-precondition` for a newer schema; `permission-denied`.
 */
export async function* doctor({
  root,
  repair = false,
  verify = false,
  signal,
}: DoctorOptions): AsyncGenerator<Finding> {
  const path = databasePath(root);
  if (!(await exists(path))) throw noStore(root);
  yield* exposures(root, repair);
  const detail = await damageOf(path);
  if (detail !== undefined && !repair) {
    yield { problem: 'damaged-database', subject: path, detail, repaired: false };
    return;
  }
  if (detail !== undefined)
    yield { problem: 'damaged-database', subject: path, ...(await salvage(path, new BlobFiles(contentPath(root)))) };
  for await (const finding of stateDamage(root, repair)) {
    yield finding;
    if (!finding.repaired) return;
  }
  const parts = await openParts({ root });
  try {
    yield* contentFindings(parts, { repair, verify, signal });
  } finally {
    await closeParts(parts);
  }
}

// Of its ingests and their owners nobody needs what it said: the processes that it told of are gone when it is mended.
async function* stateDamage(root: string, repair: boolean): AsyncGenerator<Finding> {
  const { state: path } = new Paths(contentPath(root));
  const damage = pageDamage(path);
  if (damage === undefined) return;
  const detail = repair ? `made anew, the damaged file is ${await setAside(path)}` : damage;
  yield { problem: 'damaged-database', subject: path, detail, repaired: repair };
}

async function* exposures(root: string, repair: boolean): AsyncGenerator<Finding> {
  if (process.platform === 'win32') return;
  for (const path of [root, contentPath(root), databasePath(root)]) {
    const mode = (await exists(path)) ? (await stat(path)).mode & 0o777 : 0;
    if ((mode & 0o077) === 0) continue;
    if (repair) await chmod(path, mode & 0o700);
    yield { problem: 'exposed', subject: path, detail: `mode ${mode.toString(8)}`, repaired: repair };
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function noStore(root: string): DrayError {
  return new DrayError('not-found', `no store at ${root}`, { path: root, hint: 'a first pull makes one' });
}
