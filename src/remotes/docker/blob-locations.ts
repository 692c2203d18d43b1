import { createHash } from 'node:crypto';
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Durability } from '../../content/local/durable.ts';
import { replace } from '../../content/local/replace.ts';
import type { Digest } from '../../spec/digest.ts';

/** Remembers which repositories of a registry have a blob, so that a later push to another one mounts it. */
export interface BlobLocations {
  /** Repositories that had the blob, the last one first. They may have lost it since. */
  get(registry: string, digest: Digest): Promise<readonly string[]>;
  /** Records that a repository has the blob. */
  add(registry: string, digest: Digest, repository: string): Promise<void>;
}

/** How large the file of a registry grows, in bytes: some ten thousand blobs. Then the older half goes. */
const fileLimit = 1024 * 1024;

/**
 * Remembers blobs in a directory, a file for each registry that its owner alone can read, with a line for each blob. The
 * directory is made when it is needed. Several processes may use one; a line that is lost saves no work, and nothing else.
 * What cannot be read or written is not remembered, which is no error: it costs a mount.
 */
export function fileBlobLocations(directory: string): BlobLocations {
  const pathOf = (registry: string): string =>
    join(directory, `${createHash('sha256').update(registry).digest('hex')}.txt`);
  return {
    async get(registry, digest) {
      const text = await textOf(pathOf(registry));
      const start = `${digest} `;
      const lines = text.split('\n').filter((line) => line.startsWith(start));
      return [...new Set(lines.reverse().map((line) => line.slice(start.length)))];
    },
    async add(registry, digest, repository) {
      const path = pathOf(registry);
      try {
        await new Durability('none').makeDirectory(directory);
        await appendFile(path, `${digest} ${repository}\n`, { mode: 0o600 });
        if ((await stat(path)).size <= fileLimit) return;
        const text = await textOf(path);
        const newer = text.slice(text.indexOf('\n', fileLimit / 2) + 1);
        await replace(path, (temporary) => writeFile(temporary, newer, { mode: 0o600 }));
      } catch {
        // The blob is where it was to go, and a full disk here changes nothing about that.
      }
    },
  };
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '');
}
