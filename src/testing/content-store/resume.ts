import assert from 'node:assert/strict';
import { writeBlob } from '../../content/copy.ts';
import { describe as describeBytes } from '../../spec/descriptor.ts';
import { digestOf, emptyDigest } from '../../spec/digest.ts';
import { mediaTypes } from '../../spec/media-types.ts';
import { randomBytes } from '../random.ts';
import { begin, readAll, refs } from './blobs.ts';
import type { Check } from './check.ts';
import { fails } from './expectations.ts';

/** How an ingest goes on, is cut back or starts over. */
export function resumeCases(check: Check, partialTruncate: boolean): void {
  for (const size of [500, 5000, 50_000]) {
    for (const fraction of [0, 0.1, 0.5, 0.9, 1]) {
      check(`an ingest of ${size} bytes goes on after ${fraction * 100} %`, async (store) => {
        const bytes = randomBytes(size, `resume ${size} ${fraction}`);
        const target = describeBytes(mediaTypes.octetStream, bytes);
        const before = await begin(store, 'r', bytes.subarray(0, size * fraction), target);
        const writer = await store.writer({ ref: 'r', target });
        const status = await writer.status();
        assert.equal(status.offset, size * fraction);
        assert.equal(status.total, size);
        assert.equal(status.startedAt.nanoseconds, before.startedAt.nanoseconds);
        assert.equal(await writer.digest(), digestOf(bytes.subarray(0, size * fraction)));
        await writer.write(bytes.subarray(size * fraction));
        await writer.commit({ size, digest: target.digest });
        assert.deepEqual(await readAll(store, target.digest), Buffer.from(bytes));
      });
    }
  }

  check('an ingest can be started over, and nothing of the old bytes stays', async (store) => {
    await begin(store, 't', randomBytes(5000, 'long'));
    const writer = await store.writer({ ref: 't' });
    await writer.truncate(0);
    assert.equal((await writer.status()).offset, 0);
    assert.equal(await writer.digest(), emptyDigest());
    await writer.write(Buffer.from('short'));
    const { digest, size } = await writer.commit();
    assert.equal(size, 5);
    assert.deepEqual(await readAll(store, digest), Buffer.from('short'));
  });

  check('an ingest under another size starts over, and nothing of the old bytes stays', async (store) => {
    await begin(store, 'poison', Buffer.from('0123456789'), { digest: digestOf('0123456789ab'), size: 12 });
    const bytes = Buffer.from('abcd');
    const writer = await store.writer({ ref: 'poison', target: { digest: digestOf(bytes), size: 4 } });
    assert.equal((await writer.status()).offset, 0);
    await writer.write(bytes);
    const { digest } = await writer.commit();
    assert.deepEqual(await readAll(store, digest), bytes);
  });

  check('what was announced without a digest is known as well, and another size starts over', async (store) => {
    const first = await store.writer({ ref: 'announced', size: 100_000 });
    await first.write(Buffer.from('0123456789'));
    await first[Symbol.asyncDispose]();
    assert.equal((await store.status('announced')).total, 100_000);
    const again = await store.writer({ ref: 'announced', size: 100_000 });
    assert.equal((await again.status()).offset, 10);
    await again[Symbol.asyncDispose]();
    const writer = await store.writer({ ref: 'announced', size: 4 });
    const { offset, total } = await writer.status();
    assert.deepEqual([offset, total], [0, 4]);
    await writer.write(Buffer.from('abcd'));
    const { digest } = await writer.commit({ size: 4 });
    assert.deepEqual(await readAll(store, digest), Buffer.from('abcd'));
  });

  if (partialTruncate) {
    check('an ingest can be cut back to where it was good', async (store) => {
      const writer = await store.writer({ ref: 'cut' });
      await writer.write(Buffer.from('good bad'));
      await writer.truncate(5);
      assert.equal(await writer.digest(), digestOf('good '));
      await writer.write(Buffer.from('end'));
      const { digest } = await writer.commit();
      assert.deepEqual(await readAll(store, digest), Buffer.from('good end'));
      await using other = await store.writer({ ref: 'cut' });
      await fails(other.truncate(1), 'out-of-range');
      await fails(other.truncate(-1), 'out-of-range');
    });
  }

  check('wrong bytes from an earlier attempt are thrown away and fetched anew', async (store) => {
    const bytes = randomBytes(9000, 'healed');
    const target = describeBytes(mediaTypes.octetStream, bytes);
    await begin(store, 'heal', randomBytes(4000, 'rotten'), target);
    const offsets: number[] = [];
    const open = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      offsets.push(offset);
      yield bytes.subarray(offset);
    };
    assert.equal(await writeBlob(store, 'heal', target, open), 'pushed');
    assert.deepEqual(offsets, [4000, 0]);
    assert.deepEqual(await readAll(store, target.digest), Buffer.from(bytes));
  });

  check('wrong bytes from the source leave nothing behind', async (store) => {
    const target = describeBytes(mediaTypes.octetStream, Buffer.from('promised'));
    for (const lie of ['PROMISED', 'short', 'much longer than promised']) {
      const open = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from(lie);
      };
      await fails(writeBlob(store, 'lie', target, open), 'failed-precondition');
      await fails(store.info(target.digest), 'not-found');
      assert.deepEqual(await refs(store), []);
    }
  });

  check('a source that fails leaves the ingest to go on with', async (store) => {
    const bytes = randomBytes(6000, 'broken');
    const target = describeBytes(mediaTypes.octetStream, bytes);
    const broken = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(offset, 2500);
      throw new Error('line cut');
    };
    await assert.rejects(writeBlob(store, 'line', target, broken), /line cut/);
    const resumed: number[] = [];
    const whole = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(offset);
    };
    await writeBlob(store, 'line', target, whole, { onResume: (offset) => resumed.push(offset) });
    assert.deepEqual(resumed, [2500]);
  });
}
