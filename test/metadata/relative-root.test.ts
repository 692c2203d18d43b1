import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { is } from '../../src/errors.ts';
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

describe('there is no store', () => {
  const asked = (error: unknown): boolean => is(error, 'invalid-argument') && /no store at/.test(error.message);

  it('at a path that is too long for its database, and nothing is made; one byte less is fine', {
    skip: process.platform === 'win32' && 'paths have other limits there',
  }, async () => {
    await using directory = await temporaryDirectory();
    const rootOf = (bytes: number): string => {
      const middle = directory.join('m'.repeat(200));
      return join(middle, 'r'.repeat(bytes - Buffer.byteLength(middle) - 1));
    };
    await assert.rejects(openStore({ root: rootOf(447) }), asked);
    assert.equal(existsSync(directory.join('m'.repeat(200))), false);
    await using store = await openStore({ root: rootOf(446) });
    const { content } = store.services('default');
    const { digest } = await put(content, 'ref', 'bytes');
    assert.equal((await readAll(content, digest)).toString(), 'bytes');
  });

  it('where something else is', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('file'), '');
    await symlink('nowhere', directory.join('link'));
    for (const root of ['file', 'file/below', 'link', 'l'.repeat(300)])
      await assert.rejects(openStore({ root: directory.join(root) }), asked);
  });

  // Above a drive that is not there is the same drive.
  it('on a drive that is missing', {
    skip: process.platform === 'win32' ? false : 'there are no drives',
    timeout: 60_000,
  }, async () => {
    const missing = [...'QRSTUVWXY'].find((letter) => !existsSync(`${letter}:\\`));
    await assert.rejects(openStore({ root: `${missing}:\\some\\store` }), asked);
  });

  // Node's mkdir with `recursive` asks for ever.
  it('where nobody can make a directory, which is told at once', {
    skip: process.platform === 'linux' ? false : 'there is no /proc',
    timeout: 60_000,
  }, async () => {
    await assert.rejects(openStore({ root: '/proc/none/below' }), asked);
  });
});
