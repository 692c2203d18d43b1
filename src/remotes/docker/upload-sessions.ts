import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { Durability } from '../../content/local/durable.ts';
import { replace } from '../../content/local/replace.ts';
import type { Digest } from '../../spec/digest.ts';
import { tryJson } from '../../spec/schemas.ts';

/** What an upload is of and where it goes. */
export interface UploadKey {
  readonly registry: string;
  readonly repository: string;
  readonly digest: Digest;
}

/** An upload that was begun. The location may hold secrets of the registry. */
export interface SavedUpload {
  readonly location: string;
  /** Bytes that the registry has acknowledged. */
  readonly offset: number;
}

/** Remembers uploads, so that a later process goes on where an earlier one stopped. */
export interface UploadSessionStore {
  get(key: UploadKey): Promise<SavedUpload | undefined>;
  put(key: UploadKey, upload: SavedUpload): Promise<void>;
  delete(key: UploadKey): Promise<void>;
}

/** How long an upload is remembered, in milliseconds: registries forget them as well. */
const lifetime = 24 * 3_600_000;

const savedSchema = z.object({
  registry: z.string(),
  repository: z.string(),
  digest: z.string(),
  location: z.string(),
  offset: z.int().check(z.nonnegative()),
  savedAt: z.number(),
});

/**
 * Remembers uploads in a directory, a file each that its owner alone can read. The directory is made when it is needed.
 * Several processes may use one: who comes later wins, and a registry says itself how far an upload is. What cannot be read
 * or written is not remembered, which is no error: a later attempt begins anew.
 */
export function fileUploadSessions(directory: string): UploadSessionStore {
  const pathOf = ({ registry, repository, digest }: UploadKey): string => {
    const name = createHash('sha256')
      .update(JSON.stringify([registry, repository, digest]))
      .digest('hex');
    return join(directory, `${name}.json`);
  };
  let swept: Promise<void> | undefined;
  return {
    async get(key) {
      const path = pathOf(key);
      // A file that is none of ours, or half of one, says nothing.
      const saved = savedSchema.safeParse(tryJson(await readFile(path, 'utf8').catch(() => ''))).data;
      if (saved === undefined) return undefined;
      const isOwn =
        saved.registry === key.registry && saved.repository === key.repository && saved.digest === key.digest;
      if (isOwn && Date.now() - saved.savedAt < lifetime) return { location: saved.location, offset: saved.offset };
      await removeIfPossible(path);
      return undefined;
    },
    async put(key, upload) {
      const text = JSON.stringify({ ...key, ...upload, savedAt: Date.now() });
      try {
        await new Durability('none').makeDirectory(directory);
        swept ??= sweep(directory);
        await swept;
        await replace(pathOf(key), (temporary) => writeFile(temporary, text, { mode: 0o600 }));
      } catch {
        // The upload goes on all the same; a later process begins anew.
      }
    },
    async delete(key) {
      await removeIfPossible(pathOf(key));
    },
  };
}

async function removeIfPossible(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => {});
}

// What nobody came back for.
async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const written = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now();
    if (Date.now() - written >= lifetime) await removeIfPossible(path);
  }
}
