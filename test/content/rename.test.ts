import assert from 'node:assert/strict';
import { mkdir, open, readdir, readFile, rename as renameOnce, stat, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { rename } from '../../src/content/local/rename.ts';
import { codeOf } from '../../src/errors.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** A machine on which the first attempts fail. */
interface Machine {
  readonly platform: NodeJS.Platform;
  readonly attempts: number;
  once(from: string, to: string): Promise<void>;
}

function failing(platform: NodeJS.Platform, ...failures: string[]): Machine {
  const machine = {
    platform,
    attempts: 0,
    async once(from: string, to: string): Promise<void> {
      const code = failures[machine.attempts];
      machine.attempts += 1;
      if (code !== undefined) throw Object.assign(new Error(code), { code });
      await renameOnce(from, to);
    },
  };
  return machine;
}

async function twoFiles(directory: { join(name: string): string }, mode: number): Promise<[string, string]> {
  const [from, to] = [directory.join('from'), directory.join('to')];
  await writeFile(from, 'new');
  await writeFile(to, 'old', { mode });
  return [from, to];
}

describe('renaming', () => {
  it('on Windows waits for who has the file open, and replaces one that is read-only', async () => {
    await using directory = await temporaryDirectory();
    const [from, to] = await twoFiles(directory, 0o444);
    const machine = failing('win32', 'EPERM', 'EACCES', 'EBUSY');
    let modeAtTheEnd = 0;
    await rename(from, to, {
      platform: machine.platform,
      async once(...names) {
        modeAtTheEnd = (await stat(to)).mode;
        await machine.once(...names);
      },
    });
    assert.equal(machine.attempts, 4);
    assert.notEqual(modeAtTheEnd & 0o200, 0);
    assert.equal(await readFile(to, 'utf8'), 'new');
  });

  it('on Windows leaves what another process has put there meanwhile', async () => {
    await using directory = await temporaryDirectory();
    const [from, to] = await twoFiles(directory, 0o644);
    const machine = failing('win32', 'EPERM');
    assert.equal(await rename(from, to, { ...machine, isThere: () => true }), false);
    assert.deepEqual([await readFile(from, 'utf8'), await readFile(to, 'utf8')], ['new', 'old']);
    assert.equal(await rename(from, to, { ...failing('win32'), isThere: () => true }), true);
    assert.equal(await readFile(to, 'utf8'), 'new');
  });

  it('is tried once where the answer is final', async () => {
    await using directory = await temporaryDirectory();
    const [from, to] = await twoFiles(directory, 0o644);
    for (const [platform, code] of [
      ['linux', 'EACCES'],
      ['darwin', 'EPERM'],
      ['win32', 'ENOENT'],
      ['win32', 'ENOSPC'],
    ] as const) {
      const machine = failing(platform, code);
      await assert.rejects(rename(from, to, machine), (error) => codeOf(error) === code);
      assert.equal(machine.attempts, 1);
    }
    assert.deepEqual((await readdir(directory.path)).sort(), ['from', 'to']);
  });

  it('works on this machine, whoever reads', async () => {
    await using directory = await temporaryDirectory();
    const [from, to] = await twoFiles(directory, 0o444);
    const reader = await open(to, 'r');
    const renamed = rename(from, to);
    // Windows lets the name go with the last reader.
    await new Promise(setImmediate);
    assert.equal(await reader.readFile('utf8'), 'old');
    await reader.close();
    await renamed;
    assert.equal(await readFile(to, 'utf8'), 'new');
    await mkdir(directory.join('a'));
    await rename(directory.join('a'), directory.join('b'));
    assert.deepEqual((await readdir(directory.path)).sort(), ['b', 'to']);
  });
});
