import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../../errors.ts';

/** `full`: what a commit reported survives a power cut. `none`: nothing is flushed, for stores that may be lost. */
export type DurabilityLevel = 'full' | 'none';

const directoryMode = 0o700;

/** A flush that many ask for: those that ask at once share one. One that began before the call does not count. */
export class SharedFlush {
  readonly #flush: () => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;

  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  /** Resolves when a flush that began after the call has ended; rejects as it did. */
  request(): Promise<void> {
    this.#waiting ??= this.#running.then(() => {
      this.#waiting = undefined;
      const flush = this.#flush();
      this.#running = flush.catch(() => {});
      return flush;
    });
    return this.#waiting;
  }
}

/** Flushes files and directories, or does not. */
export class Durability {
  readonly level: DurabilityLevel;
  readonly #directories = new Map<string, SharedFlush>();

  constructor(level: DurabilityLevel) {
    this.level = level;
  }

  /** Flushes an open file. Its first error is final: what the kernel failed to write once, it forgets. */
  async file(handle: { sync(): Promise<void> }): Promise<void> {
    if (this.level === 'full') await handle.sync();
  }

  /** Flushes the entries of a directory. */
  async directory(path: string): Promise<void> {
    if (this.level === 'none' || process.platform === 'win32') return;
    const flush = this.#directories.get(path) ?? new SharedFlush(() => syncDirectory(path));
    this.#directories.set(path, flush);
    await flush.request();
  }

  /** Creates a directory and what is missing above it, each entry flushed. */
  async makeDirectory(path: string): Promise<void> {
    const first = await mkdir(path, { recursive: true, mode: directoryMode });
    if (first === undefined) return;
    for (let at = path; at.length >= first.length; at = dirname(at)) await this.directory(dirname(at));
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems have no flush of directories.
    if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}

/** Removes a tree; what is gone already is fine. Windows needs patience with files that scanners hold. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
