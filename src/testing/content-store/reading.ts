import assert from 'node:assert/strict';
import { digestOf } from '../../spec/digest.ts';
import { randomBytes } from '../random.ts';
import { joined, put } from './blobs.ts';
import type { Check } from './check.ts';
import { fails } from './expectations.ts';
import { malformedDigests } from './malformed-digests.ts';

/** What a reader gives, and what it refuses. */
export function readingCases(check: Check, keepsForReaders: boolean): void {
  check('any range can be read, as a stream and at random', async (store) => {
    const bytes = randomBytes(3_000_000, 'ranges');
    const { digest } = await put(store, 'ranges', bytes);
    await using reader = await store.reader({ digest, size: bytes.byteLength });
    assert.equal(reader.size, bytes.byteLength);
    for (const [offset, length] of [
      [0, 1],
      [2_999_999, 1],
      [1_048_575, 2],
      [5, 2_500_000],
      [3_000_000, 5],
      [0, 0],
    ] as const) {
      const expected = Buffer.from(bytes.subarray(offset, offset + length));
      assert.deepEqual(await joined(reader.stream({ offset, length })), expected);
      const buffer = Buffer.alloc(length);
      assert.equal(await reader.read(buffer, offset), expected.byteLength);
      assert.deepEqual(buffer.subarray(0, expected.byteLength), expected);
    }
    assert.deepEqual(await joined(reader.stream({ offset: 2_000_000 })), Buffer.from(bytes.subarray(2_000_000)));
    assert.deepEqual(await joined(reader.stream()), Buffer.from(bytes));
  });

  check('a read near the end gives what is there, one at the end nothing', async (store) => {
    const { digest } = await put(store, 'small', Buffer.from('foobar'));
    const reader = await store.reader({ digest });
    const buffer = Buffer.alloc(7);
    assert.equal(await reader.read(buffer, 0), 6);
    assert.equal(await reader.read(buffer, 4), 2);
    assert.equal(await reader.read(buffer, 6), 0);
    await reader[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
  });

  check('a range beyond the end is an error', async (store) => {
    const { digest } = await put(store, 'small', Buffer.from('foobar'));
    await using reader = await store.reader({ digest });
    for (const offset of [7, -1, 0.5]) await fails(joined(streamFrom(reader, offset)), 'out-of-range');
  });

  check('what is not there, malformed or of another size is told apart', async (store) => {
    const { digest } = await put(store, 'there', Buffer.from('there'));
    await fails(store.reader({ digest: digestOf('absent') }), 'not-found');
    await fails(store.reader({ digest, size: 99 }), 'data-loss', 'size-mismatch');
    for (const malformed of malformedDigests) {
      await fails(store.reader({ digest: malformed }), 'invalid-argument');
      await fails(store.info(malformed), 'invalid-argument');
      await fails(store.delete(malformed), 'invalid-argument');
    }
  });

  if (keepsForReaders) {
    check('an open reader keeps a blob that is deleted', async (store) => {
      const { digest } = await put(store, 'kept', Buffer.from('kept'));
      await using reader = await store.reader({ digest });
      await store.delete(digest);
      await fails(store.reader({ digest }), 'not-found');
      assert.deepEqual(await joined(reader.stream()), Buffer.from('kept'));
    });
  }
}

async function* streamFrom(
  reader: { stream(options: { offset: number }): AsyncIterable<Uint8Array> },
  offset: number,
): AsyncGenerator<Uint8Array> {
  yield* reader.stream({ offset });
}
