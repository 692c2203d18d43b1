import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { openStore } from '../../src/metadata/open-store.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { blobFile, put, readAll } from './support.ts';

/** Runs something in another working directory. */
async function within<T>(directory: string, run: () => Promise<T>): Promise<T> {
  const before = process.cwd();
  process.chdir(directory);
  try {
    return await run();
  } finally {
    process.chdir(before);
  }
}

describe('a store at a relative path', () => {
  // Whoever walks up from a relative path by length comes to `.`, which is as long as the shortest name, and stays there.
  for (const root of ['s', 'store', 'a/b', './s/', '../s'])
    it(`is made at ${root}, and stays there when the process goes elsewhere`, { timeout: 60_000 }, async () => {
      await using directory = await temporaryDirectory();
      const here = directory.join('here');
      await mkdir(here);
      await using store = await within(here, () => openStore({ root }));
      const { content } = store.services('default');
      const { digest } = await put(content, 'ref', 'bytes');
      assert.equal((await readAll(content, digest)).toString(), 'bytes');
      assert.ok(existsSync(blobFile(join(here, root), digest)));
      assert.equal(store.root, resolve(here, root));
    });
});
