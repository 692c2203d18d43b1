import { chmod, rename as renameOnce } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../errors.ts';

/** How long somebody else may keep a file from its new name, in milliseconds. */
const patience = 5_000;
const longestPause = 256;

/** What Windows says when a file is open or read-only, and when it is forbidden. */
const heldCodes: ReadonlySet<string | undefined> = new Set(['EPERM', 'EACCES', 'EBUSY']);

/** Options of {@link rename}. */
export interface RenameOptions {
  /** Whether the other name means what it should already: asked where it cannot be replaced, and then it is left. */
  readonly isThere?: (() => boolean | Promise<boolean>) | undefined;
  /** One attempt; that of the system if not said. */
  readonly once?: ((from: string, to: string) => Promise<void> | void) | undefined;
  readonly platform?: NodeJS.Platform | undefined;
}

/**
 * Gives a file or a directory another name; a file that has that name is replaced. Windows refuses it while anybody has one of
 * the two open, as those who read and scanners of new files do, and replaces nothing that is read-only: there the one is waited
 * for, for five seconds, and the other is made writable. Returns whether it was renamed: not so when `isThere` says that it need
 * not be.
 * @throws what the system has.
 */
export async function rename(
  from: string,
  to: string,
  { isThere = () => false, once = renameOnce, platform = process.platform }: RenameOptions = {},
): Promise<boolean> {
  for (let pause = 2, waited = 0; ; waited += pause, pause = Math.min(pause * 2, longestPause)) {
    try {
      await once(from, to);
      return true;
    } catch (error) {
      if (platform !== 'win32' || !heldCodes.has(codeOf(error))) throw error;
      if (await isThere()) return false;
      if (waited >= patience) throw error;
    }
    // What is not there need not be made writable, and what cannot be is told by the next attempt.
    await chmod(to, 0o600).catch(() => {});
    await sleep(pause);
  }
}
