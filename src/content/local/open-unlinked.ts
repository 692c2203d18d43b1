import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';

/** How {@link openUnlinked} opens. */
export interface OpenUnlinkedOptions {
  /** The flag of the system with which it follows no link; 0 where it has none, as Windows. */
  readonly noFollow?: number | undefined;
}

/**
 * Opens a file itself to read it, and none that a link leads to. A pipe in its place is not waited for, which nothing could call
 * back; the caller looks whether it is a file. Where the system cannot be told so, it is looked at before, which somebody
 * who changes it at that moment gets past.
 * @throws the system's error; for a link its code is `ELOOP`.
 */
export async function openUnlinked(
  path: string,
  { noFollow = constants.O_NOFOLLOW ?? 0 }: OpenUnlinkedOptions = {},
): Promise<FileHandle> {
  if (noFollow === 0 && (await lstat(path)).isSymbolicLink())
    throw Object.assign(new Error(`ELOOP: a link is not followed, open '${path}'`), { code: 'ELOOP', path });
  return await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | noFollow);
}
