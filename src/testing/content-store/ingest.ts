import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { digestOf, emptyDigest } from '../../spec/digest.ts';
import { randomBytes } from '../random.ts';
import { readAll, refs } from './blobs.ts';
import type { Check } from './check.ts';
import { assertAround, fails } from './expectations.ts';
import { malformedDigests } from './malformed-digests.ts';

/** How an ingest is opened, grows and is closed. */
export function ingestCases(check: Check): void {
  check('a new ingest is empty, active, and knows what was announced', async (store) => {
    const before = Date.now();
    await using writer = await store.writer({ ref: 'c1', target: { digest: digestOf('later'), size: 256 } });
    const status = await writer.status();
    assert.equal(status.ref, 'c1');
    assert.equal(status.offset, 0);
    assert.equal(status.total, 256);
    assert.equal(await writer.digest(), emptyDigest());
    assertAround(status.startedAt.milliseconds, before);
    assertAround(status.updatedAt.milliseconds, before);
  });

  check('status, digest and times follow each write', async (store) => {
    await using writer = await store.writer({ ref: 'c1' });
    const bytes = randomBytes(256, 'follow');
    const { startedAt } = await writer.status();
    for (const [from, to] of [
      [0, 64],
      [64, 192],
      [192, 256],
    ] as const) {
      const earlier = await writer.status();
      await writer.write(bytes.subarray(from, to));
      const status = await writer.status();
      assert.equal(status.offset, to);
      assert.equal(await writer.digest(), digestOf(bytes.subarray(0, to)));
      assert.equal(status.startedAt.nanoseconds, startedAt.nanoseconds);
      assert.ok(status.updatedAt.nanoseconds >= earlier.updatedAt.nanoseconds);
    }
    assert.equal((await store.status('c1')).offset, 256);
  });

  check('one ref has one writer, and the second is told so at once', async (store) => {
    const first = await store.writer({ ref: 'one' });
    await fails(store.writer({ ref: 'one' }), 'unavailable', 'locked');
    await using _other = await store.writer({ ref: 'two' });
    await first[Symbol.asyncDispose]();
    const again = await store.writer({ ref: 'one' });
    await again[Symbol.asyncDispose]();
  });

  check('what is no bytes is refused, and nothing of it is taken', async (store) => {
    const chunks: readonly unknown[] = ['text', new Uint16Array(2), new ArrayBuffer(2), [1, 2], 7, null, undefined];
    for (const [text, target] of [
      ['ab', undefined],
      ['cd', { digest: digestOf('cd'), size: 2 }],
    ] as const) {
      await using writer = await store.writer({ ref: 'no bytes', target });
      for (const chunk of chunks) await fails(writer.write(chunk as Uint8Array), 'invalid-argument');
      assert.equal((await writer.status()).offset, 0);
      await writer.write(Buffer.from(text));
      assert.equal((await writer.commit()).digest, digestOf(text));
    }
  });

  check('calls that do not wait for each other make no blob with other bytes than its digest says', async (store) => {
    const [one, two, three] = [1, 2, 3].map((part) => randomBytes(100_000, `part ${part}`));
    assert.ok(one && two && three);
    const writer = await store.writer({ ref: 'at once' });
    const outcomes = await Promise.allSettled([writer.write(one), writer.write(two)]);
    const written = [one, two].filter((_, index) => outcomes[index]?.status === 'fulfilled');
    await writer.write(three);
    const commits = await Promise.allSettled([writer.commit(), writer.commit()]);
    assert.deepEqual(commits.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    const expected = Buffer.concat([...written, three]);
    assert.deepEqual(await readAll(store, digestOf(expected)), expected);
  });

  check('asking how far it is while bytes are being written changes nothing of them', async (store) => {
    const bytes = randomBytes(5_000_000, 'asked');
    const writer = await store.writer({ ref: 'asked' });
    let isWritten = false;
    const writing = writer.write(bytes).finally(() => {
      isWritten = true;
    });
    while (!isWritten) {
      const { offset } = await writer.status();
      assert.ok(offset <= bytes.byteLength, `${offset}`);
      await setImmediate();
    }
    await writing;
    await writer.commit();
    assert.equal((await store.info(digestOf(bytes))).size, bytes.byteLength);
  });

  check('a closed writer cannot be used, and closing it again is fine', async (store) => {
    const writer = await store.writer({ ref: 'closed' });
    await writer.write(Buffer.from('abc'));
    await writer[Symbol.asyncDispose]();
    await writer[Symbol.asyncDispose]();
    await fails(writer.write(Buffer.from('d')), 'failed-precondition');
    await fails(writer.truncate(0), 'failed-precondition');
    await fails(writer.commit(), 'failed-precondition');
  });

  check('a closed writer does not take the ref from the one that has it now', async (store) => {
    const stale = await store.writer({ ref: 'stolen' });
    await stale[Symbol.asyncDispose]();
    await using _owner = await store.writer({ ref: 'stolen' });
    await fails(stale.commit(), 'failed-precondition');
    await fails(store.writer({ ref: 'stolen' }), 'unavailable', 'locked');
  });

  check('a ref that is empty or no text, a malformed digest and an impossible size are refused', async (store) => {
    await fails(store.writer({ ref: '' }), 'invalid-argument');
    await fails(store.writer({ ref: 'half a \ud83d' }), 'invalid-argument');
    for (const digest of malformedDigests)
      await fails(store.writer({ ref: 'bad', target: { digest } }), 'invalid-argument');
    for (const size of [-1, 1.5, 2 ** 53]) await fails(store.writer({ ref: 'bad', size }), 'invalid-argument');
    assert.deepEqual(await refs(store), []);
  });

  check('refs may be any text', async (store) => {
    const strange = ['../../escape', 'a/b:c@d', ' ', 'ünïcode \u0007', 'x'.repeat(5000), '.', 'ref\nline'];
    for (const ref of strange) {
      await using writer = await store.writer({ ref });
      await writer.write(Buffer.from(ref));
    }
    assert.deepEqual(await refs(store), [...strange].sort());
    for (const ref of strange) assert.equal((await store.status(ref)).offset, Buffer.byteLength(ref));
  });

  check('an aborted signal opens and writes nothing', async (store) => {
    const reason = new Error('enough');
    await assert.rejects(store.writer({ ref: 'gone', signal: AbortSignal.abort(reason) }), reason);
    await using writer = await store.writer({ ref: 'gone' });
    await assert.rejects(writer.write(Buffer.from('a'), { signal: AbortSignal.abort(reason) }), reason);
    assert.equal((await writer.status()).offset, 0);
  });
}
