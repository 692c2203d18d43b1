import { ifThere, withContext } from '../../errors.ts';

/**
 * What `read` gives of a file or directory; undefined when that is not there.
 * @throws DrayError of the file system, with the path and the operation.
 */
export async function unlessAbsent<T>(path: string, operation: string, read: () => Promise<T>): Promise<T | undefined> {
  return await ifThere(read()).catch((error: unknown) => {
    throw withContext(error, { path, operation });
  });
}
