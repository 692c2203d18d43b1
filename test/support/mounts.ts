import { mkdir } from 'node:fs/promises';
import { succeed } from './processes.ts';

/** Why a test that mounts file systems cannot run here; false when it can. */
export const unlessMounting: string | false =
  (process.platform !== 'linux' || process.getuid?.() !== 0) && 'needs to mount a file system';

/** An empty file system of so many MiB at a new directory; gone when it is disposed. */
export async function mountSmall(path: string, mebibytes: number): Promise<AsyncDisposable> {
  await mkdir(path);
  await succeed('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'none', path]);
  return mounted(path);
}

/** Gives the file system at `path` another size. */
export async function resize(path: string, mebibytes: number): Promise<void> {
  await succeed('mount', ['-o', `remount,size=${mebibytes}m`, path]);
}

/** What is in a directory, at a new one where nobody can change it; gone when it is disposed. */
export async function mountReadOnly(source: string, path: string): Promise<AsyncDisposable> {
  await mkdir(path);
  await succeed('mount', ['--bind', source, path]);
  await succeed('mount', ['-o', 'remount,ro,bind', path]);
  return mounted(path);
}

function mounted(path: string): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await succeed('umount', [path]);
    },
  };
}
