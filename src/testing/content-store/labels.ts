import assert from 'node:assert/strict';
import { digestOf } from '../../spec/digest.ts';
import { put } from './blobs.ts';
import type { Check } from './check.ts';
import { fails } from './expectations.ts';

/** How labels are set, replaced and removed. */
export function labelCases(check: Check): void {
  check('labels are replaced as a whole or set one by one', async (store) => {
    const { digest, createdAt } = await put(store, 'l', Buffer.from('labelled'), { labels: { k1: 'v1', k2: 'v2' } });
    const replaced = await store.update({ digest, labels: { k1: 'v1', k3: 'v3' } });
    assert.deepEqual({ ...replaced.labels }, { k1: 'v1', k3: 'v3' });
    assert.equal(replaced.createdAt.nanoseconds, createdAt.nanoseconds);
    assert.ok(replaced.updatedAt.nanoseconds >= createdAt.nanoseconds);
    await store.update({ digest, labels: { k1: 'new', 'a.b/c-d': 'x' } }, 'labels.k3', 'labels.k1', 'labels.a.b/c-d');
    assert.deepEqual({ ...(await store.info(digest)).labels }, { k1: 'new', 'a.b/c-d': 'x' });
    await store.update({ digest, labels: { only: 'one' } }, 'labels', 'labels.k1');
    assert.deepEqual({ ...(await store.info(digest)).labels }, { only: 'one' });
    await store.update({ digest });
    assert.deepEqual({ ...(await store.info(digest)).labels }, {});
  });

  check('an empty value removes a label', async (store) => {
    const { digest } = await put(store, 'e', Buffer.from('e'), { labels: { a: '1', b: '' } });
    assert.deepEqual({ ...(await store.info(digest)).labels }, { a: '1' });
    await store.update({ digest, labels: { a: '' } }, 'labels.a');
    assert.deepEqual({ ...(await store.info(digest)).labels }, {});
  });

  check('other fields, labels over the limit and missing blobs are refused, and nothing changes', async (store) => {
    const { digest } = await put(store, 'x', Buffer.from('x'), { labels: { a: '1' } });
    await fails(store.update({ digest, labels: { a: '2' } }, 'size'), 'invalid-argument');
    await fails(store.update({ digest, labels: { a: '2' } }, 'labels.a', 'digest'), 'invalid-argument');
    await fails(store.update({ digest, labels: { a: 'x'.repeat(4096) } }, 'labels.a'), 'invalid-argument');
    // Bytes count, and no characters.
    await fails(store.update({ digest, labels: { a: 'ä'.repeat(2048) } }, 'labels.a'), 'invalid-argument');
    await store.update({ digest, labels: { b: 'x'.repeat(4095) } }, 'labels.b');
    assert.equal((await store.info(digest)).labels['a'], '1');
    await fails(store.update({ digest: digestOf('absent'), labels: { a: '1' } }), 'not-found');
  });

  check('a deleted blob takes its labels along', async (store) => {
    const { digest } = await put(store, 'y', Buffer.from('y'), { labels: { a: '1' } });
    await store.delete(digest);
    await put(store, 'y', Buffer.from('y'));
    assert.deepEqual({ ...(await store.info(digest)).labels }, {});
  });
}
