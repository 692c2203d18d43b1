import { chmod, stat } from 'node:fs/promises';
import { Paths } from '../content/local/paths.ts';
import { pageDamage } from '../content/local/sqlite.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError, ifThere } from '../errors.ts';
import { BlobFiles } from './blob-files.ts';
import { contentFindings } from './doctor-content.ts';
import { damageOf, salvage, setAside } from './doctor-database.ts';
import type { Finding } from './finding.ts';
import { closeParts, contentPath, databasePath, openParts } from './parts.ts';

/** Options of {@link doctor}. */
export interface DoctorOptions extends AbortableOptions {
  readonly root: string;
  /** Mend what can be mended. */
  readonly repair?: boolean | undefined;
  /** Read every blob and compare it with its digest. */
  readonly verify?: boolean | undefined;
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
  if ((await ifThere(stat(path))) === undefined) throw noStore(root);
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
    const mode = await modeOf(path);
    if (!isForOthers(mode)) continue;
    if (repair) await chmod(path, mode & 0o700);
    // Some file systems have one mode for all files, whatever is said.
    const repaired = repair && !isForOthers(await modeOf(path));
    yield { problem: 'exposed', subject: path, detail: `mode ${mode.toString(8)}`, repaired };
  }
}

async function modeOf(path: string): Promise<number> {
  return ((await ifThere(stat(path)))?.mode ?? 0) & 0o777;
}

function isForOthers(mode: number): boolean {
  return (mode & 0o077) !== 0;
}

function noStore(root: string): DrayError {
  return new DrayError('not-found', `no store at ${root}`, { path: root, hint: 'a first pull makes one' });
}
