import assert from 'node:assert/strict';
import { it } from 'node:test';
import { digestOf } from '../../src/spec/digest.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { put } from '../metadata/support.ts';
import { servedStore } from './served.ts';

it('a blob comes right into memory that is used again, to fast readers and to slow ones', async () => {
  await using served = await servedStore();
  const bytes = randomBytes(20_000_123, 'transient');
  const { digest } = await put(served.daemon.content, 'a', bytes);
  await using reader = await served.daemon.content.reader({ digest });
  for (const range of [{}, { offset: 3, length: 17_000_000 }]) {
    for (const isSlow of [false, true]) {
      const copies: Buffer[] = [];
      for await (const chunk of reader.stream({ ...range, transient: true })) {
        // As many turns as it takes for what follows to come.
        for (let turn = 0; isSlow && turn < 50; turn += 1) await served.daemon.healthy();
        copies.push(Buffer.from(chunk));
      }
      const { offset = 0, length = bytes.byteLength } = range as { offset?: number; length?: number };
      assert.equal(digestOf(Buffer.concat(copies)), digestOf(bytes.subarray(offset, offset + length)));
    }
  }
});
