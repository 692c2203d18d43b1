import { type FileHandle, open, realpath, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, ifThere } from '../../errors.ts';
import { Durability } from './durable.ts';
import { rename } from './rename.ts';

/** How long a new file may stay as it is before whoever makes it counts as dead, in milliseconds; making it takes a few. */
const defaultPatience = 5000;

/**
 * Replaces a file as {@link replace} does, but by what `make` gives after it has read it: of several who do so at once, in whatever
 * process, each sees what the others wrote. It is flushed, is for its owner alone, and a link to it stays a link.
 * @throws what `make` and the file system throw; the file is as it was then.
 */
export async function rewrite(
  path: string,
  make: () => Promise<string>,
  patience: number = defaultPatience,
): Promise<void> {
  const durability = new Durability('full');
  await durability.makeDirectory(dirname(path));
  const target = await realpath(path).catch(() => path);
  // Only one can make a file of this name: it is the lock, and goes by becoming the file.
  const next = `${target}.next`;
  const file = await makeAlone(next, patience);
  try {
    try {
      await file.writeFile(await make());
      await durability.file(file);
    } finally {
      await file.close();
    }
    await rename(next, target);
    await durability.directory(dirname(target));
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
}

async function makeAlone(path: string, patience: number): Promise<FileHandle> {
  let seen: string | undefined;
  let since = 0;
  for (;;) {
    const file = await openNew(path);
    if (file !== undefined) return file;
    const there = await versionOf(path);
    if (there === undefined || there !== seen) [seen, since] = [there, performance.now()];
    else if (performance.now() - since > patience) await rm(path, { force: true });
    await sleep(5 + Math.random() * 10);
  }
}

async function openNew(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  }
}

async function versionOf(path: string): Promise<string | undefined> {
  const found = await ifThere(stat(path));
  return found && `${found.ino} ${found.ctimeMs}`;
}
