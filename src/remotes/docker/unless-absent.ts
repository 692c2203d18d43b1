import { codeOf, withContext } from '../../errors.ts';

/**
 * What `read` gives of a file or directory; undefined when that is not there.
 * @throws DrayError of the file system, with the path and the operation.
 */
export async function unlessAbsent<T>(path: string, operation: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw withContext(error, { path, operation });
  }
}
