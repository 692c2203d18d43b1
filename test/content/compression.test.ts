import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { type Packing, packed, packingOf, unpacked } from '../../src/content/compression.ts';
import { joined } from '../../src/testing/content-store/blobs.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBytes } from '../../src/testing/random.ts';

const skippable = Buffer.concat([Buffer.from('502a4d1804000000', 'hex'), Buffer.from('skip')]);

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

describe('unpacking', () => {
  it('tells packings by their beginning', () => {
    const cases: readonly [Uint8Array, Packing][] = [
      [gzipSync('x'), 'gzip'],
      [zstdCompressSync('x'), 'zstd'],
      [skippable, 'zstd'],
      [Buffer.from('fd377a585a00', 'hex'), 'xz'],
      [Buffer.from('BZh9'), 'bzip2'],
      [Buffer.from('plain'), 'none'],
      [new Uint8Array(0), 'none'],
      [Buffer.from([0x1f, 0x8b]), 'none'],
    ];
    for (const [bytes, packing] of cases) assert.equal(packingOf(bytes), packing);
  });

  it('unpacks every member and frame, skips skippable ones, whatever the chunks', async () => {
    const part = fc.uint8Array({ maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 80 }),
        async (parts, size) => {
          const whole = Buffer.concat(parts);
          const gzip = Buffer.concat(parts.map((one) => gzipSync(one)));
          const zstd = Buffer.concat([skippable, ...parts.flatMap((one) => [zstdCompressSync(one), skippable])]);
          assert.deepEqual(await joined(unpacked(inChunks(gzip, size), 'gzip')), whole);
          assert.deepEqual(await joined(unpacked(inChunks(zstd, size), 'zstd')), whole);
          assert.deepEqual(await joined(unpacked(inChunks(whole, size), 'none')), whole);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('packs what it unpacks', async () => {
    const bytes = randomBytes(700_000, 'packed');
    const gzip = await joined(packed(inChunks(bytes, 10_000), 'gzip'));
    assert.deepEqual(gunzipSync(gzip), Buffer.from(bytes));
    const zstd = await joined(packed(inChunks(bytes, 10_000), 'zstd'));
    assert.deepEqual(zstdDecompressSync(zstd), Buffer.from(bytes));
  });

  it('tells damaged bytes from missing ones', async () => {
    const bytes = Buffer.from(randomBytes(5000, 'damage'));
    for (const [packing, whole] of [
      ['gzip', gzipSync(bytes)],
      ['zstd', zstdCompressSync(bytes)],
    ] as const) {
      for (let size = 1; size < whole.byteLength; size += 501)
        await fails(joined(unpacked(inChunks(whole.subarray(0, size), 64), packing)), 'data-loss', /unexpected end/);
      const garbage = Buffer.concat([whole, Buffer.from('garbage')]);
      await fails(joined(unpacked(inChunks(garbage, 64), packing)), 'invalid-argument', /damaged/);
    }
  });

  it('stops at a limit and at a size out of all proportion', async () => {
    const zeros = gzipSync(Buffer.alloc(1_000_000));
    await fails(
      joined(unpacked(inChunks(zeros, 100), 'gzip', { limit: 500_000 })),
      'resource-exhausted',
      /more than 500000 bytes/,
    );
    const bomb = Buffer.concat(Array(4).fill(zstdCompressSync(Buffer.alloc(128 * 1024 * 1024))));
    await fails(joined(unpacked(inChunks(bomb, 1000), 'zstd')), 'resource-exhausted', /500 times/);
  });

  it('refuses what it cannot unpack, by name', async () => {
    await fails(joined(unpacked(inChunks(Buffer.from('BZh9'), 4), 'bzip2')), 'not-implemented', /bzip2/);
  });

  it('hands on a failure of the source and lets go of it', async () => {
    for (const packing of ['gzip', 'zstd', 'none'] as const) {
      const failure = new Error('source');
      const whole = packing === 'gzip' ? gzipSync('x') : zstdCompressSync('x');
      async function* broken() {
        yield whole.subarray(0, 5);
        throw failure;
      }
      await assert.rejects(joined(unpacked(broken(), packing)), failure);
    }
  });

  it('lets go of a source that says nothing when the reader stops', async () => {
    let closed = false;
    const source: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => {
        let given = false;
        return {
          next: async () => {
            if (given) await new Promise(() => {});
            given = true;
            return { done: false, value: zstdCompressSync(Buffer.alloc(1_000_000)) };
          },
          return: async () => {
            closed = true;
            return { done: true, value: undefined };
          },
        };
      },
    };
    for await (const _ of unpacked(source, 'zstd')) break;
    assert.ok(closed);
  });

  it('gives up with the reason of the signal', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    async function* endless() {
      yield gzipSync('x');
      stop.abort(reason);
      for (;;) yield gzipSync('x');
    }
    await assert.rejects(joined(unpacked(endless(), 'gzip', { signal: stop.signal })), reason);
  });
});
