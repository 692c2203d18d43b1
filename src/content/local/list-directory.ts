import { readdir } from 'node:fs/promises';
import { codeOf } from '../../errors.ts';
import { storeFailure } from './failure.ts';

/** The names in a directory in their order; none when it is not there. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw storeFailure(error, `list ${directory}`);
  }
}
