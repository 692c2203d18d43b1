import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import fc from 'fast-check';
import type { BlobReader } from '../../src/content/store.ts';
import { SharedReads } from '../../src/registry/shared-reads.ts';
import { type Digest, digestOf } from '../../src/spec/digest.ts';
import { randomBytes } from '../../src/testing/random.ts';

const mebibyte = 1024 * 1024;

interface CountedReader extends BlobReader {
  readonly reads: () => number;
  close(): void;
}

/** A reader of bytes at hand that counts, waits its turn, and fails once it is closed. */
function readerOf(bytes: Uint8Array, digest: Digest = digestOf(bytes)): CountedReader {
  let reads = 0;
  let closed = false;
  return {
    digest,
    size: bytes.byteLength,
    reads: () => reads,
    close: () => {
      closed = true;
    },
    async read(buffer, position) {
      reads += 1;
      await new Promise(setImmediate);
      if (closed) throw new Error('the reader is closed');
      const part = bytes.subarray(position, position + buffer.byteLength);
      buffer.set(part);
      return part.byteLength;
    },
    async *stream() {
      yield bytes;
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** Everything a stream gives, copied part by part as a socket would; `pause` is waited for before each next part. */
async function read(
  stream: AsyncIterable<Uint8Array>,
  pause: (part: number) => Promise<void> = async () => {},
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) {
    await pause(parts.length);
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts);
}

const turns = (count: number) => async (): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate);
};

group('shared reads', () => {
  const bytes = randomBytes(10 * mebibyte + 12_345, 'shared');

  it('read once for all who come at the same time', async () => {
    const shared = new SharedReads(32 * mebibyte);
    const readers = Array.from({ length: 8 }, () => readerOf(bytes));
    const found = await Promise.all(readers.map((reader) => read(shared.stream(reader))));
    for (const one of found) assert.ok(one.equals(bytes));
    const total = readers.reduce((sum, reader) => sum + reader.reads(), 0);
    assert.ok(total <= 25, `${total} reads`);
  });

  it('leave those who are slow to read by themselves, and they get the same', async () => {
    const shared = new SharedReads(2 * mebibyte);
    const [fast, slow, slower] = [readerOf(bytes), readerOf(bytes), readerOf(bytes)];
    const found = await Promise.all([
      read(shared.stream(fast)),
      read(shared.stream(slow), turns(7)),
      read(shared.stream(slower), turns(30)),
    ]);
    for (const one of found) assert.ok(one.equals(bytes));
    assert.ok(slower.reads() > 5);
  });

  it('give the last part of wrong bytes to nobody, neither together nor alone', async () => {
    const shared = new SharedReads(2 * mebibyte);
    const digest = digestOf('something else');
    const streams = [turns(0), turns(5), turns(40)].map(async (pause) => {
      let size = 0;
      await assert.rejects(
        (async () => {
          for await (const part of shared.stream(readerOf(bytes, digest))) {
            await pause();
            size += part.byteLength;
          }
        })(),
        { kind: 'data-loss', reason: 'digest-mismatch' },
      );
      assert.ok(size < bytes.byteLength);
    });
    await Promise.all(streams);
  });

  it('go on for the others when the one who reads goes away', async () => {
    const shared = new SharedReads(32 * mebibyte);
    const leaving = readerOf(bytes);
    const first = shared.stream(leaving)[Symbol.asyncIterator]();
    await first.next();
    const rest = read(shared.stream(readerOf(bytes)));
    leaving.close();
    await first.return?.();
    assert.ok((await rest).equals(bytes));
  });

  it('begin anew for who comes when the beginning is gone', async () => {
    const shared = new SharedReads(mebibyte);
    const early = shared.stream(readerOf(bytes))[Symbol.asyncIterator]();
    for (let part = 0; part < 6; part += 1) await early.next();
    const late = readerOf(bytes);
    assert.ok((await read(shared.stream(late))).equals(bytes));
    assert.ok(late.reads() > 15);
    await early.return?.();
  });

  it('give everybody the right bytes, whoever is how fast and comes when', async () => {
    const blobs = ['a', 'b'].map((seed) => randomBytes(4 * mebibyte + 99, seed));
    const client = fc.record({ blob: fc.nat(1), wait: fc.nat(30), pause: fc.nat(12), stop: fc.option(fc.nat(6)) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(client, { minLength: 1, maxLength: 8 }),
        fc.constantFrom(0, 1, 3),
        async (clients, limit) => {
          const shared = new SharedReads(limit * mebibyte);
          const outcomes = clients.map(async ({ blob, wait, pause, stop }) => {
            await turns(wait)();
            const expected = blobs[blob] as Uint8Array;
            let offset = 0;
            let parts = 0;
            for await (const part of shared.stream(readerOf(expected))) {
              await turns(pause)();
              assert.ok(Buffer.from(part).equals(expected.subarray(offset, offset + part.byteLength)));
              offset += part.byteLength;
              parts += 1;
              if (parts === stop) return;
            }
            assert.equal(offset, expected.byteLength);
          });
          await Promise.all(outcomes);
        },
      ),
      { numRuns: 30 },
    );
  });
});
