import assert from 'node:assert/strict';
import type { Info } from '../../content/store.ts';
import { digestOf } from '../../spec/digest.ts';
import { begin, put, refs } from './blobs.ts';
import type { Check } from './check.ts';
import { fails } from './expectations.ts';

/** How blobs and ingests are listed and removed. */
export function managementCases(check: Check): void {
  check('an empty store has nothing, and says so without an error', async (store) => {
    assert.deepEqual(await Array.fromAsync(store.walk()), []);
    assert.deepEqual(await Array.fromAsync(store.statuses()), []);
    await fails(store.delete(digestOf('absent')), 'not-found');
    await fails(store.abort('absent'), 'not-found');
    await fails(store.status('absent'), 'not-found');
    await fails(store.info(digestOf('absent')), 'not-found');
  });

  check('a walk gives every blob in the order of digests, and those that filters match', async (store) => {
    const infos: Info[] = [];
    for (let n = 0; n < 8; n += 1)
      infos.push(await put(store, 'w', Buffer.from(`w${n}`), { labels: { odd: n % 2 ? 'yes' : 'no', n: `${n}` } }));
    const all = (await Array.fromAsync(store.walk())).map((info) => info.digest);
    assert.deepEqual(all, infos.map((info) => info.digest).sort());
    assert.equal((await Array.fromAsync(store.walk('labels.odd==yes'))).length, 4);
    assert.equal((await Array.fromAsync(store.walk('labels.odd==yes,labels.n!=1'))).length, 3);
    assert.equal((await Array.fromAsync(store.walk('labels.n==0', 'labels.n~=^[67]$'))).length, 3);
    assert.deepEqual(
      (await Array.fromAsync(store.walk(`digest==${all[3]}`))).map((info) => info.digest),
      [all[3]],
    );
    assert.equal((await Array.fromAsync(store.walk('labels.absent'))).length, 0);
    await fails(Array.fromAsync(store.walk('digest=')), 'invalid-argument');
  });

  check('a walk may delete what it meets', async (store) => {
    for (let n = 0; n < 5; n += 1) await put(store, 'd', Buffer.from(`d${n}`));
    for await (const info of store.walk()) await store.delete(info.digest);
    assert.deepEqual(await Array.fromAsync(store.walk()), []);
  });

  check('statuses show every ingest, and those that filters match', async (store) => {
    await begin(store, 'layer-1', Buffer.from('abc'));
    await begin(store, 'layer-2', Buffer.from('abcd'), { digest: digestOf('x'), size: 9 });
    await using _open = await store.writer({ ref: 'upload' });
    assert.deepEqual(await refs(store), ['layer-1', 'layer-2', 'upload']);
    const [second] = await Array.fromAsync(store.statuses('ref==layer-2'));
    assert.equal(second?.offset, 4);
    assert.equal(second?.total, 9);
    assert.equal((await Array.fromAsync(store.statuses('ref~=^layer', 'ref==upload'))).length, 3);
    await fails(Array.fromAsync(store.statuses('^layer')), 'invalid-argument');
  });

  check('an abort removes an ingest, but not one that is open', async (store) => {
    await begin(store, 'a', Buffer.from('abc'));
    await store.abort('a');
    await fails(store.abort('a'), 'not-found');
    const writer = await store.writer({ ref: 'a' });
    assert.equal((await writer.status()).offset, 0);
    await fails(store.abort('a'), 'unavailable', 'locked');
    await writer.write(Buffer.from('still'));
    assert.equal((await writer.commit()).size, 5);
  });
}
