import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ContentStore } from '../../src/content/store.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { put } from '../metadata/support.ts';
import { servedStore } from './served.ts';

// As containerd's clients before 2.1 do: a call for each piece.
async function pieces(
  content: ContentStore,
  target: Descriptor,
  ranges: readonly [number, number][],
): Promise<Buffer[]> {
  await using reader = await content.reader(target);
  const read: Buffer[] = [];
  for (const [offset, length] of ranges) {
    const buffer = Buffer.alloc(length);
    read.push(buffer.subarray(0, await reader.read(buffer, offset)));
  }
  return read;
}

describe('a blob that is read in pieces, a call each', () => {
  const bytes = randomBytes(3_000_000, 'pieces');
  const target = { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.byteLength };

  it('gives the bytes of each, whatever was read before', async () => {
    await using served = await servedStore();
    await put(served.daemon.content, 'a', bytes);
    const ranges = fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.constant(undefined) },
        fc.tuple(fc.nat({ max: bytes.byteLength }), fc.integer({ min: 1, max: 1_200_000 })),
      ),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(ranges, fc.integer({ min: 1, max: 200_000 }), async (jumps, step) => {
        let end = 0;
        const asked = jumps.map((jump): [number, number] => {
          const [offset, length] = jump ?? [Math.min(end, bytes.byteLength), step];
          end = offset + length;
          return [offset, length];
        });
        const read = await pieces(served.daemon.content, target, asked);
        for (const [index, [offset, length]] of asked.entries())
          assert.equal(Buffer.compare(bytes.subarray(offset, offset + length), read[index] ?? Buffer.alloc(0)), 0);
      }),
      { numRuns: 40 },
    );
  });

  it('is not found any more once it is deleted, even where it was read ahead', async () => {
    await using served = await servedStore();
    await put(served.daemon.content, 'a', bytes);
    await using reader = await served.daemon.content.reader(target);
    const buffer = Buffer.alloc(32 * 1024);
    assert.equal(await reader.read(buffer, 0), buffer.byteLength);
    await served.daemon.content.delete(target.digest);
    await fails(reader.read(buffer, buffer.byteLength), 'not-found');
  });
});
