import { readlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { relative } from 'node:path';

/** Why a test cannot see what is flushed; false when it can. */
export const unlessSeen: string | false = process.platform !== 'linux' && 'what is flushed can be seen on Linux only';

/** What is flushed through handles while `run` runs, in order, by path below `root`; digests in it are HEX. */
export async function flushed(root: string, run: () => Promise<unknown>): Promise<string[]> {
  const prototype = await handles();
  const { sync } = prototype;
  const paths: string[] = [];
  prototype.sync = async function (this: FileHandle) {
    const path = readlinkSync(`/proc/self/fd/${this.fd}`);
    await sync.call(this);
    paths.push(relative(root, path).replace(/[0-9a-f]{64}/, 'HEX'));
  };
  try {
    await run();
    return paths;
  } finally {
    prototype.sync = sync;
  }
}

/** Runs something, and resolves when a piece of a large file that it writes has been flushed. */
export async function pieceFlushed(run: () => Promise<unknown>): Promise<void> {
  const prototype = await handles();
  const { datasync } = prototype;
  const { promise, resolve } = Promise.withResolvers<void>();
  prototype.datasync = async function (this: FileHandle) {
    await datasync.call(this);
    resolve();
  };
  try {
    await run();
    await promise;
  } finally {
    prototype.datasync = datasync;
  }
}

async function handles(): Promise<FileHandle> {
  const handle = await open('/dev/null');
  await handle.close();
  return Object.getPrototypeOf(handle) as FileHandle;
}
