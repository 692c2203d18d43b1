import { constants, copyFile, type FileHandle, link, lstat } from 'node:fs/promises';
import { collect } from '../content/documents.ts';
import { openUnlinked } from '../content/local/open-unlinked.ts';
import { readFileRange } from '../content/local/read-file.ts';
import { codeOf, ifThere } from '../errors.ts';
import { badArchive } from './archive-error.ts';

/**
 * Opens a file of a layout; undefined when there is none. A link is not followed. The caller closes it.
 * @throws DrayError `invalid-argument`, reason `bad-archive`, when it is not a file.
 */
export async function openPlainFile(path: string): Promise<FileHandle | undefined> {
  const handle = await ifThere(openUnlinked(path)).catch((error: unknown) => {
    throw codeOf(error) === 'ELOOP' ? badArchive('what should be a file is a link', { path }) : error;
  });
  if (handle === undefined || (await handle.stat()).isFile()) return handle;
  await handle.close();
  throw badArchive('what should be a file is none', { path });
}

/**
 * A document of a layout; undefined when there is none.
 * @throws DrayError `invalid-argument`, reason `bad-document`, over the limit; as {@link openPlainFile} does.
 */
export async function readDocumentFile(path: string): Promise<Uint8Array | undefined> {
  const handle = await openPlainFile(path);
  if (handle === undefined) return undefined;
  try {
    return await collect(readFileRange(handle));
  } finally {
    await handle.close();
  }
}

/** Whether there is a plain file of that many bytes. */
export async function isFileOf(path: string, size: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isFile() === true && found.size === size;
}

/** How a file can be at two places without its bytes being there twice. */
export type Sharing = 'hard' | 'reflink';

const cannotShare = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'ENOTTY']);

/**
 * Puts a file at a second place: as another name of it (`hard`), or as a clone whose blocks are shared until one of them is
 * written to (`reflink`). Returns false where the file system or the platform cannot.
 */
export async function shareFile(path: string, place: string, how: Sharing): Promise<boolean> {
  try {
    if (how === 'hard') await link(path, place);
    else await copyFile(path, place, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (cannotShare.has(codeOf(error) ?? '')) return false;
    throw error;
  }
}
