import assert from 'node:assert/strict';
import { symlink, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { openUnlinked } from '../../src/content/local/open-unlinked.ts';
import { codeOf } from '../../src/errors.ts';
import { succeed } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';

describe('opening a file itself', () => {
  // The second as where the system has no flag for it.
  for (const options of [{}, { noFollow: 0 }])
    it(`follows no link ${JSON.stringify(options)}`, {
      skip: process.platform === 'win32' && 'links are not for everybody there',
    }, async () => {
      await using directory = await temporaryDirectory();
      await writeFile(directory.join('file'), 'bytes');
      await symlink('file', directory.join('link'));
      const handle = await openUnlinked(directory.join('file'), options);
      assert.equal(await handle.readFile('utf8'), 'bytes');
      await handle.close();
      await assert.rejects(openUnlinked(directory.join('link'), options), (error) => codeOf(error) === 'ELOOP');
      await assert.rejects(openUnlinked(directory.join('none'), options), (error) => codeOf(error) === 'ENOENT');
    });

  it('waits for no pipe', {
    skip: process.platform === 'win32' && 'there are no such pipes',
    timeout: 60_000,
  }, async () => {
    await using directory = await temporaryDirectory();
    await succeed('mkfifo', [directory.join('pipe')]);
    const handle = await openUnlinked(directory.join('pipe'));
    assert.equal((await handle.stat()).isFile(), false);
    await handle.close();
  });
});
