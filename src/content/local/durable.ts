import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { codeOf, DrayError, ifThere } from '../../errors.ts';

/** `full`: what a commit reported survives a power cut. `none`: no commit is flushed, for stores that may be lost. */
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

  /** Resolves when those that were asked for have ended, whether they failed or not. */
  async ended(): Promise<void> {
    await this.#waiting?.catch(() => {});
    await this.#running;
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

  /** @throws DrayError `invalid-argument` for anything else, which would flush only in part. */
  constructor(level: DurabilityLevel) {
    if (level !== 'full' && level !== 'none')
      throw new DrayError('invalid-argument', `there is no durability ${JSON.stringify(level)}`, {
        hint: 'it is full or none',
      });
    this.level = level;
  }

  /** Flushes an open file. Its first error is final: what the kernel failed to write once, it forgets. */
  async file(handle: { sync(): Promise<void> }): Promise<void> {
    if (this.level === 'full') await handle.sync();
  }

  /** Flushes a file that is not open: a clone, or another name of one. Windows flushes none that is read-only. */
  async closedFile(path: string): Promise<void> {
    if (this.level === 'full' && process.platform !== 'win32') await syncPath(path);
  }

  /** Flushes the entries of a directory. */
  async directory(path: string): Promise<void> {
    if (this.level === 'none' || process.platform === 'win32') return;
    const flush = this.#directories.get(path) ?? new SharedFlush(() => syncPath(path));
    this.#directories.set(path, flush);
    await flush.request();
  }

  /** Creates a directory and what is missing above it, each entry flushed; for the owner alone, if no mode is said. */
  async makeDirectory(path: string, mode: number = directoryMode): Promise<void> {
    // Absolute, since `dirname` of a relative path ends at `.` and stays there.
    const whole = resolve(path);
    if (await isDirectory(whole)) return;
    const above = dirname(whole);
    // On Windows even the root may be missing: a drive that is not there.
    if (above !== whole) await this.makeDirectory(above, mode);
    // One by one: Node's own `recursive` never ends in /proc, and of a file system that is read-only says that it is not there.
    await makeOne(whole, mode);
    await this.directory(above);
  }
}

async function makeOne(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    // Another process may have made it.
    if (codeOf(error) !== 'EEXIST' || !(await isDirectory(path))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await ifThere(stat(path)))?.isDirectory() ?? false;
}

/** In bytes. A disk has something to do from the first piece on, and none asks it to flush for less. */
const pieceToFlush = 16 * 1024 * 1024;

/**
 * Flushes a file piece by piece beside whoever writes it, so that little is left to wait for at its end. A flush that fails is
 * told at the end: what the kernel failed to write once, it forgets.
 */
export class FlushAhead {
  readonly #durability: Durability;
  readonly #file: FileToFlush;
  #unflushed = 0;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(durability: Durability, file: FileToFlush) {
    this.#durability = durability;
    this.#file = file;
  }

  /** Says that so many bytes more are written. */
  wrote(bytes: number): void {
    this.#unflushed += bytes;
    if (this.#unflushed < pieceToFlush || this.#running !== undefined || this.#durability.level === 'none') return;
    this.#unflushed = 0;
    this.#running = this.#flush();
  }

  async #flush(): Promise<void> {
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#running = undefined;
  }

  /** Whether a flush failed, once none is under way. Then nobody knows what of the file is on disk. */
  async hasFailed(): Promise<boolean> {
    await this.#running;
    return this.#failure !== undefined;
  }

  /** Flushes what is left. @throws what a flush had, this one or one before. */
  async finish(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      await this.#durability.file(this.#file);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }
}

/** What {@link FlushAhead} needs of an open file. */
export interface FileToFlush {
  datasync(): Promise<void>;
  sync(): Promise<void>;
}

async function syncPath(path: string): Promise<void> {
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
