import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Durability } from './durable.ts';
import { type RenameOptions, rename } from './rename.ts';

/**
 * Brings a file under its name in one step, in place of what has it: `make` makes it under another name beside that. A failure
 * leaves what was there before and nothing else. With a durability the name is flushed. Of several at once the last one counts; for
 * what is read first there is {@link rewrite}.
 * @throws what `make` and the file system throw.
 */
export async function replace(
  path: string,
  make: (temporary: string) => Promise<void>,
  durability?: Durability,
  options?: RenameOptions,
): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await make(temporary);
    await rename(temporary, path, options);
  } finally {
    await rm(temporary, { force: true });
  }
  await durability?.directory(dirname(path));
}
