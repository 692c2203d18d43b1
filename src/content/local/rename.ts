import { chmod, rename as renameOnce } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../errors.ts';

/** How long somebody else may keep a file from its new name, in milliseconds. */
const patience = 5_000;
const longestPause = 256;

/** What Windows says when a file is open or read-only, and when it is forbidden. */
const heldCodes: ReadonlySet<string | undefined> = new Set(['EPERM', 'EACCES', 'EBUSY']);

/** How a file gets another name on this machine. */
export interface Renaming {
  readonly platform: NodeJS.Platform;
  once(from: string, to: string): Promise<void>;
}

const ofThisMachine: Renaming = { platform: process.platform, once: renameOnce };

/** Whether Windows may have refused to rename a file for what is true of it just now: somebody has it open, or it is read-only. */
export function isHeld(error: unknown, { platform }: Pick<Renaming, 'platform'> = ofThisMachine): boolean {
  return platform === 'win32' && heldCodes.has(codeOf(error));
}

/**
 * Gives a file or a directory another name; a file that has that name is replaced. Windows refuses it while anybody has one of
 * the two open, as those who read and scanners of new files do, and replaces nothing that is read-only: there the one is waited
 * for, for five seconds, and the other is made writable.
 * @throws what the system has.
 */
export async function rename(from: string, to: string, renaming: Renaming = ofThisMachine): Promise<void> {
  for (let pause = 2, waited = 0; ; waited += pause, pause = Math.min(pause * 2, longestPause)) {
    try {
      return await renaming.once(from, to);
    } catch (error) {
      if (!isHeld(error, renaming) || waited >= patience) throw error;
    }
    // What is not there need not be made writable, and what cannot be is told by the next attempt.
    await chmod(to, 0o600).catch(() => {});
    await sleep(pause);
  }
}
