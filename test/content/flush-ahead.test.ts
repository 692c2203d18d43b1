import assert from 'node:assert/strict';
import { type FileHandle, open } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { Durability, FlushAhead } from '../../src/content/local/durable.ts';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const mebibyte = 1024 * 1024;

/** A file that counts its flushes; one of the data lasts until it is let go. */
function countingFile() {
  const flushes: string[] = [];
  const waiting: PromiseWithResolvers<void>[] = [];
  return {
    flushes,
    waiting,
    datasync(): Promise<void> {
      flushes.push('data');
      const { promise } = waiting[waiting.push(Promise.withResolvers<void>()) - 1] ?? Promise.withResolvers<void>();
      return promise;
    },
    async sync(): Promise<void> {
      flushes.push('all');
    },
  };
}

describe('flushing ahead', () => {
  it('begins while the file is written, one flush at a time, and ends with all of it', async () => {
    const file = countingFile();
    const flushing = new FlushAhead(new Durability('full'), file);
    flushing.wrote(15 * mebibyte);
    assert.deepEqual(file.flushes, []);
    flushing.wrote(mebibyte);
    flushing.wrote(100 * mebibyte);
    assert.deepEqual(file.flushes, ['data']);
    const finished = flushing.finish();
    assert.deepEqual(file.flushes, ['data']);
    file.waiting[0]?.resolve();
    await finished;
    assert.deepEqual(file.flushes, ['data', 'all']);
  });

  it('goes on after a flush with what came meanwhile', async () => {
    const file = countingFile();
    const flushing = new FlushAhead(new Durability('full'), file);
    flushing.wrote(16 * mebibyte);
    flushing.wrote(16 * mebibyte);
    file.waiting[0]?.resolve();
    await new Promise(setImmediate);
    flushing.wrote(1);
    assert.deepEqual(file.flushes, ['data', 'data']);
  });

  it('tells at the end of a flush that failed on the way, and does not flush again', async () => {
    const file = countingFile();
    const flushing = new FlushAhead(new Durability('full'), file);
    flushing.wrote(16 * mebibyte);
    const failure = new Error('EIO');
    file.waiting[0]?.reject(failure);
    await assert.rejects(flushing.finish(), failure);
    await assert.rejects(flushing.finish(), failure);
    assert.deepEqual(file.flushes, ['data']);
  });

  it('flushes nothing for a store that may be lost', async () => {
    const file = countingFile();
    const flushing = new FlushAhead(new Durability('none'), file);
    flushing.wrote(1024 * mebibyte);
    await flushing.finish();
    assert.deepEqual(file.flushes, []);
  });

  for (const flush of ['sync', 'datasync'] as const) {
    it(`that fails (${flush}) leaves nothing that somebody could go on from`, async (context) => {
      await using directory = await temporaryDirectory();
      await using store = new LocalStore(directory.join('content'));
      await using handle = await open(directory.join('file'), 'w');
      const failure = Object.assign(new Error(`EIO: i/o error, ${flush}`), { code: 'EIO' });
      context.mock.method(Object.getPrototypeOf(handle) as FileHandle, flush, () => Promise.reject(failure));
      await using writer = await store.writer({ ref: 'layer' });
      for (let written = 0; written < 17; written += 1) await writer.write(Buffer.alloc(mebibyte, written));
      await assert.rejects(writer.commit(), /commit ingest layer|EIO/);
      context.mock.reset();
      assert.equal((await store.status('layer')).offset, 0);
      await using again = await store.writer({ ref: 'layer' });
      await again.write(Buffer.from('all of it'));
      assert.equal((await again.commit()).size, 9);
    });
  }
});
