import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import { it } from 'node:test';
import { readFileRange } from '../../src/content/local/read-file.ts';
import { temporaryDirectory } from '../support/temporary.ts';

it('what goes wrong while a file is read ahead is told when it is asked for', async () => {
  await using directory = await temporaryDirectory();
  await writeFile(directory.join('file'), Buffer.alloc(3 * 1024 * 1024));
  await using handle = await open(directory.join('file'));
  const failure = new Error('the thread that computes digests has ended');
  let pieces = 0;
  const ahead = async (): Promise<void> => {
    pieces += 1;
    if (pieces === 2) throw failure;
  };
  const file = readFileRange(handle, { transient: true, ahead });
  assert.equal((await file.next()).value?.byteLength, 1024 * 1024);
  // The reader is at work when it happens; nobody who waits for it is there, which would end the process.
  while (pieces < 2) await new Promise(setImmediate);
  await new Promise(setImmediate);
  await assert.rejects(file.next(), failure);
});
