import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Services } from '../../src/services/services.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { Timestamp } from '../../src/spec/timestamp.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { servedStore } from './served.ts';

const target = { mediaType: 'application/octet-stream', digest: digestOf('x'), size: 1, annotations: { a: 'b' } };

/** The services of a store, over the socket. */
async function withServices(run: (services: Services) => Promise<void>): Promise<void> {
  await using served = await servedStore();
  await run(served.daemon);
}

describe('images over gRPC', () => {
  it('are created, found, changed by field path and deleted', () =>
    withServices(async ({ images }) => {
      const made = await images.create({ name: 'app:1', target, labels: { k: 'v' } });
      assert.deepEqual({ ...made.target }, target);
      assert.deepEqual({ ...(await images.get('app:1')).labels }, { k: 'v' });
      await fails(images.create({ name: 'app:1', target }), 'already-exists');
      await fails(images.create({ name: '', target }), 'invalid-argument');
      await fails(images.get('app:2'), 'not-found');
      const other = { ...target, digest: digestOf('y') };
      const moved = await images.update(
        { name: 'app:1', target: other, labels: { k: 'w', l: 'm' } },
        'target',
        'labels.l',
      );
      assert.equal(moved.target.digest, other.digest);
      assert.deepEqual({ ...moved.labels }, { k: 'v', l: 'm' });
      assert.equal(moved.createdAt.nanoseconds, made.createdAt.nanoseconds);
      await fails(images.update({ name: 'app:1', target }, 'name'), 'invalid-argument');
      await fails(images.delete('app:1', { target }), 'not-found');
      await images.delete('app:1', { target: other });
      await fails(images.delete('app:1'), 'not-found');
    }));

  it('are listed by name, and those that a filter matches', () =>
    withServices(async ({ images }) => {
      for (const name of ['b', 'a', 'c']) await images.create({ name, target, labels: { of: name } });
      const names = async (...filters: string[]): Promise<string[]> =>
        (await Array.fromAsync(images.list(...filters))).map(({ name }) => name);
      assert.deepEqual(await names(), ['a', 'b', 'c']);
      assert.deepEqual(await names('labels.of==b', 'name==c'), ['b', 'c']);
      await fails(names('name='), 'invalid-argument');
    }));
});

describe('leases over gRPC', () => {
  it('hold what is added to them, until they are deleted', () =>
    withServices(async ({ leases, content }) => {
      const expiresAt = new Timestamp(Timestamp.now().nanoseconds + 60_000_000_000n);
      const lease = await leases.create({ id: 'mine', labels: { a: 'b' }, expiresAt });
      assert.equal(lease.expiresAt?.nanoseconds, expiresAt.nanoseconds);
      await fails(leases.create({ id: 'mine' }), 'already-exists');
      const writer = await content.writer({ ref: 'held', lease: 'mine' });
      await writer.write(Buffer.from('held'));
      const { digest } = await writer.commit();
      assert.deepEqual(await Array.fromAsync(leases.resources('mine')), [{ type: 'content', id: digest }]);
      await leases.addResource('mine', { type: 'ingests', id: 'later' });
      await leases.deleteResource('mine', { type: 'ingests', id: 'later' });
      await fails(leases.addResource('mine', { type: 'nonsense', id: 'x' }), 'not-implemented');
      await fails(leases.addResource('other', { type: 'content', id: digest }), 'not-found');
      await fails(content.writer({ ref: 'x', lease: 'other' }), 'not-found');
      await leases.delete('mine', { synchronous: true });
      await fails(content.info(digest), 'not-found');
      assert.ok((await leases.create()).id.length > 0);
    }));
});

describe('namespaces over gRPC', () => {
  it('are created, labelled, listed and deleted when they are empty', () =>
    withServices(async ({ namespaces }) => {
      await namespaces.create({ name: 'two', labels: { a: '1', b: '2' } });
      await fails(namespaces.create({ name: 'two' }), 'already-exists');
      await fails(namespaces.create({ name: 'no/name' }), 'invalid-argument');
      await fails(namespaces.get('absent'), 'not-found');
      await fails(namespaces.update({ name: 'absent', labels: { a: '1' } }, 'labels.a'), 'not-found');
      await namespaces.update({ name: 'two', labels: { a: '3' } }, 'labels.a');
      assert.deepEqual({ ...(await namespaces.get('two')).labels }, { a: '3', b: '2' });
      await namespaces.update({ name: 'two', labels: { c: '4' } }, 'labels');
      assert.deepEqual({ ...(await namespaces.get('two')).labels }, { c: '4' });
      assert.deepEqual(
        (await Array.fromAsync(namespaces.list('labels.c==4'))).map(({ name }) => name),
        ['two'],
      );
      await namespaces.delete('two');
      await fails(namespaces.delete('two'), 'not-found');
    }));
});

describe('events over gRPC', () => {
  it('tell what happens in every namespace, to who wants it', async () => {
    await using served = await servedStore();
    const giving = new AbortController();
    const subscribed = served.daemon.events.subscribe(['topic=="/images/create"'], { signal: giving.signal });
    const events = subscribed[Symbol.asyncIterator]();
    const told = events.next();
    // Until the first has come, it is not known whether the subscription is there.
    for (let n = 0, come = false; !come; n += 1) {
      await served.daemon.services('other').images.create({ name: `image ${n}`, target, labels: { k: 'v' } });
      const later = served.daemon.version().then(() => false);
      come = await Promise.race([told.then(() => true), later]);
    }
    const { value } = await told;
    assert.deepEqual([value?.namespace, value?.topic, value?.event['labels']], ['other', '/images/create', { k: 'v' }]);
    const reason = new Error('enough');
    giving.abort(reason);
    await assert.rejects(async () => {
      while ((await events.next()).done !== true);
    }, reason);
    assert.throws(() => served.daemon.events.subscribe([], { signal: AbortSignal.abort(reason) }), reason);
  });
});

describe('what a served store says of itself', () => {
  it('is its version, its health and its services', async () => {
    await using served = await servedStore({}, { version: '1.2.3' });
    assert.deepEqual(await served.daemon.version(), { version: '1.2.3', revision: 'dray' });
    assert.equal(await served.daemon.healthy(), true);
    const ids = (await Array.fromAsync(served.daemon.plugins(['id==content', 'id==images']))).map(({ id }) => id);
    assert.deepEqual(ids.sort(), ['content', 'images']);
    assert.equal(await served.daemon.unpack(target), false);
  });
});
