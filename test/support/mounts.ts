import { existsSync, readFileSync } from 'node:fs';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { succeed } from './processes.ts';
import { unlessInstalled } from './tools.ts';

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

/** Disks that a test can make, and cut the power of. */
export type DiskFormat = 'ext4' | 'xfs';

/** Why a test cannot have disks of a format; false when it can. */
export function unlessDisks(format: DiskFormat): string | false {
  if (unlessMounting !== false) return unlessMounting;
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices';
  if (!readFileSync('/proc/filesystems', 'utf8').includes(format)) return `the system has no ${format}`;
  return unlessInstalled(`mkfs.${format}`, 'xfs_io');
}

/** A disk of its own with a file system, mounted at a directory; gone when it is disposed. */
export interface Disk extends AsyncDisposable {
  readonly path: string;
  /** From here on nothing gets onto the disk any more, and what was not there yet never will. */
  cutPower(): Promise<void>;
  /** Mounts it again. Nobody has a file of it open. */
  start(): Promise<void>;
}

/** Makes a disk: a new file at `path`, mounted at `path` with a suffix. Options are those of the program that formats it. */
export async function mountDisk(path: string, format: DiskFormat, options: readonly string[] = []): Promise<Disk> {
  const place = `${path}.mounted`;
  await writeFile(path, '');
  await truncate(path, 320 * 1024 * 1024);
  await succeed(`mkfs.${format}`, ['-q', ...options, path]);
  await mkdir(place);
  const mount = (): Promise<string> => succeed('mount', ['-o', 'loop', path, place]);
  const unmount = (): Promise<string> => succeed('umount', [place]);
  await mount();
  return {
    path: place,
    async cutPower() {
      await succeed('xfs_io', ['-x', '-c', 'shutdown', place]);
    },
    async start() {
      await unmount();
      await mount();
    },
    async [Symbol.asyncDispose]() {
      await unmount();
    },
  };
}

function mounted(path: string): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await succeed('umount', [path]);
    },
  };
}
