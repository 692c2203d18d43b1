import assert from 'node:assert/strict';
import { writeBlob } from '../../content/copy.ts';
import { describe as describeBytes } from '../../spec/descriptor.ts';
import { type algorithms, digestOf } from '../../spec/digest.ts';
import { mediaTypes } from '../../spec/media-types.ts';
import { randomBytes } from '../random.ts';
import { put, readAll, refs } from './blobs.ts';
import type { Check } from './check.ts';
import { assertAround, fails } from './expectations.ts';

/** How an ingest becomes a blob, or does not. */
export function commitCases(check: Check, supported: readonly (typeof algorithms)[number][]): void {
  check('a committed ingest is a blob, with its size, labels and times', async (store) => {
    const bytes = randomBytes(5000, 'commit');
    const before = Date.now();
    const info = await put(store, 'c', bytes, { labels: { a: '1', 'containerd.io/gc.root': 'x' } });
    assert.equal(info.digest, digestOf(bytes));
    assert.equal(info.size, 5000);
    assert.deepEqual({ ...(await store.info(info.digest)).labels }, { a: '1', 'containerd.io/gc.root': 'x' });
    const found = await store.info(info.digest);
    assert.equal(found.size, 5000);
    assertAround(found.createdAt.milliseconds, before);
    assertAround(found.updatedAt.milliseconds, before);
    assert.deepEqual(await refs(store), []);
    await fails(store.status('c'), 'not-found');
  });

  for (const size of [0, 1, 2, 65_536, 3_000_001]) {
    check(`a blob of ${size} bytes comes back as it went in`, async (store) => {
      const bytes = randomBytes(size, `size ${size}`);
      const { digest } = await put(store, 'sized', bytes, { size, digest: digestOf(bytes) });
      assert.deepEqual(await readAll(store, digest), Buffer.from(bytes));
    });
  }

  for (const algorithm of supported) {
    check(`${algorithm} names a blob, announced or only at the commit`, async (store) => {
      const first = randomBytes(1000, `${algorithm} announced`);
      const digest = digestOf(first, algorithm);
      await using writer = await store.writer({ ref: algorithm, target: { digest, size: 1000 } });
      await writer.write(first);
      assert.equal((await writer.commit({ digest })).digest, digest);
      const second = randomBytes(1000, `${algorithm} late`);
      const late = digestOf(second, algorithm);
      assert.equal((await put(store, `${algorithm}2`, second, { digest: late })).digest, late);
      assert.deepEqual(await readAll(store, late), Buffer.from(second));
    });
  }

  check('a blob that is there is not ingested again', async (store) => {
    const bytes = Buffer.from('twice');
    const { digest } = await put(store, 'first', bytes);
    await fails(store.writer({ ref: 'second', target: { digest, size: 5 } }), 'already-exists');
    await fails(store.writer({ ref: 'second', target: { digest } }), 'already-exists');
    await fails(put(store, 'third', bytes, { size: 5, digest }), 'already-exists');
    await fails(put(store, 'fourth', bytes), 'already-exists');
    assert.deepEqual(await refs(store), []);
  });

  check('a wrong digest or size keeps the ingest, and the right ones then commit it', async (store) => {
    const bytes = Buffer.from('kept for another try');
    await fails(
      put(store, 'try', bytes, { digest: digestOf('something else') }),
      'failed-precondition',
      'digest-mismatch',
    );
    const reopened = await store.writer({ ref: 'try' });
    assert.equal((await reopened.status()).offset, bytes.byteLength);
    await fails(reopened.commit({ size: 3 }), 'failed-precondition', 'size-mismatch');
    await fails(store.info(digestOf(bytes)), 'not-found');
    const last = await store.writer({ ref: 'try' });
    assert.equal((await last.commit({ size: bytes.byteLength, digest: digestOf(bytes) })).size, bytes.byteLength);
    await using fresh = await store.writer({ ref: 'try' });
    assert.equal((await fresh.status()).offset, 0);
  });

  check('a commit closes its writer, whatever comes of it', async (store) => {
    for (const expected of [{}, { digest: digestOf('no') }]) {
      const writer = await store.writer({ ref: 'closing' });
      await writer.write(Buffer.from(`bytes ${Object.keys(expected).length}`));
      await writer.commit(expected).catch(() => {});
      await fails(writer.write(Buffer.from('more')), 'failed-precondition');
      const next = await store.writer({ ref: 'closing' });
      await next[Symbol.asyncDispose]();
    }
  });

  check('labels over the limit are refused and nothing is committed', async (store) => {
    const labels = { key: 'x'.repeat(4094) };
    await fails(put(store, 'fat', Buffer.from('fat'), { labels }), 'invalid-argument');
    await fails(store.info(digestOf('fat')), 'not-found');
    await using writer = await store.writer({ ref: 'fat' });
    assert.equal((await writer.status()).offset, 3);
  });

  check('many writers at once do not disturb each other', async (store) => {
    const blobs = Array.from({ length: 12 }, (_, index) => randomBytes(20_000 + index, `parallel ${index}`));
    await Promise.all(blobs.map((bytes, index) => put(store, `p${index}`, bytes, { digest: digestOf(bytes) })));
    for (const bytes of blobs) assert.deepEqual(await readAll(store, digestOf(bytes)), Buffer.from(bytes));
  });

  check('several callers that bring the same blob cost one transfer', async (store) => {
    const bytes = randomBytes(50_000, 'shared');
    const target = describeBytes(mediaTypes.octetStream, bytes);
    let opened = 0;
    const open = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      opened += 1;
      yield bytes.subarray(offset);
    };
    const outcomes = await Promise.all([1, 2, 3].map(() => writeBlob(store, 'same', target, open)));
    assert.deepEqual([...outcomes].sort(), ['exists', 'exists', 'pushed']);
    assert.equal(opened, 1);
  });
}
