import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { is } from '../../src/errors.ts';
import { eventsKept } from '../../src/metadata/events.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import type { StoreEvent } from '../../src/services/events.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { start } from '../support/processes.ts';
import { put, temporaryStore } from './support.ts';

const target = { mediaType: mediaTypes.ociManifest, digest: digestOf('x'), size: 1 };
const program = join(import.meta.dirname, 'store-process.ts');

/** The next events of a subscription. */
async function take(events: AsyncIterable<StoreEvent>, count: number): Promise<StoreEvent[]> {
  const taken: StoreEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) return taken;
  }
  return taken;
}

describe('events', () => {
  it('tell of every change, in order and with what changed', async () => {
    await using fixture = await temporaryStore();
    const { store, services } = fixture;
    const { content, images, leases, namespaces, events } = services;
    await images.create({ name: 'before', target });
    const subscription = events.subscribe();
    await images.create({ name: 'app', target, labels: { k: 'v' } });
    await images.update({ name: 'app', target, labels: { k: 'w' } });
    await images.delete('app');
    const { digest } = await put(content, 'r', 'blob');
    await content.update({ digest, labels: { a: 'b' } });
    await content.delete(digest);
    await leases.create({ id: 'l' });
    await leases.delete('l');
    await namespaces.create({ name: 'other', labels: { k: 'v' } });
    await namespaces.update({ name: 'other', labels: { k: 'w' } });
    await namespaces.delete('other');
    await store.services('implied').images.create({ name: 'x', target });
    const told = (await take(subscription, 13)).map((event) => [
      event.namespace,
      event.topic,
      JSON.stringify(event.event),
    ]);
    assert.deepEqual(told, [
      ['default', '/images/create', '{"name":"app","labels":{"k":"v"}}'],
      ['default', '/images/update', '{"name":"app","labels":{"k":"w"}}'],
      ['default', '/images/delete', '{"name":"app"}'],
      ['default', '/content/create', `{"digest":"${digest}","size":"4"}`],
      ['default', '/content/update', `{"digest":"${digest}","labels":{"a":"b"}}`],
      ['default', '/content/delete', `{"digest":"${digest}"}`],
      ['default', '/leases/create', '{"id":"l","labels":{}}'],
      ['default', '/leases/delete', '{"id":"l"}'],
      ['other', '/namespaces/create', '{"name":"other","labels":{"k":"v"}}'],
      ['other', '/namespaces/update', '{"name":"other","labels":{"k":"w"}}'],
      ['other', '/namespaces/delete', '{"name":"other"}'],
      ['implied', '/namespaces/create', '{"name":"implied","labels":{}}'],
      ['implied', '/images/create', '{"name":"x","labels":{}}'],
    ]);
  });

  it('come only when a filter matches them', async () => {
    await using fixture = await temporaryStore();
    const { images, events } = fixture.services;
    const subscription = events.subscribe(['topic=="/images/update",event.labels.team==a', 'namespace==other']);
    await images.create({ name: 'one', target, labels: { team: 'a' } });
    await images.update({ name: 'one', target, labels: { team: 'b' } });
    await images.update({ name: 'one', target, labels: { team: 'a' } });
    await fixture.store.services('other').leases.create({ id: 'l' });
    const told = (await take(subscription, 3)).map((event) => [event.namespace, event.topic]);
    assert.deepEqual(told, [
      ['default', '/images/update'],
      ['other', '/namespaces/create'],
      ['other', '/leases/create'],
    ]);
    assert.throws(
      () => events.subscribe(['topic==/x']),
      (error) => is(error, 'invalid-argument'),
    );
  });

  it('come from other processes and other stores of the same directory', async () => {
    await using fixture = await temporaryStore();
    await using second = await openStore({ root: fixture.root });
    const subscription = fixture.services.events.subscribe(['topic=="/content/create"']);
    await put(second.services('second').content, 'r', 'here');
    await using child = start(process.execPath, [program, 'write', fixture.root]);
    const told = await take(subscription, 5);
    await child.kill();
    assert.deepEqual(
      told.map((event) => event.namespace),
      ['second', 'default', 'default', 'default', 'default'],
    );
    const times = told.map((event) => event.timestamp.nanoseconds);
    assert.ok(times.every((time) => time > 0n));
  });

  it('end with the reason of the signal, waiting or not', async () => {
    await using fixture = await temporaryStore();
    const { events, images } = fixture.services;
    const reason = new Error('enough');
    const stop = new AbortController();
    const waiting = take(events.subscribe([], { signal: stop.signal }), 1);
    setImmediate(() => stop.abort(reason));
    await assert.rejects(waiting, reason);
    assert.throws(() => events.subscribe([], { signal: stop.signal }), reason);
    const subscription = events.subscribe();
    await images.create({ name: 'app', target });
    for await (const _ of subscription) break;
  });

  it('are kept for a slow reader up to a bound, and a slower one is told', async () => {
    await using fixture = await temporaryStore();
    const { events, images } = fixture.services;
    const slow = events.subscribe();
    await images.create({ name: 'first', target });
    await fixture.store.database.write((transaction) => {
      const sql = `INSERT INTO event (timestamp, namespace, topic, fields)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i, 'default', '/x', '{}' FROM n`;
      transaction.run(sql, eventsKept - 3);
    });
    await images.create({ name: 'second', target });
    const reader = slow[Symbol.asyncIterator]();
    assert.equal((await reader.next()).value?.topic, '/namespaces/create');
    const slower = events.subscribe();
    await images.create({ name: 'third', target });
    for (let n = 0; n < eventsKept; n += 500)
      await Promise.all(Array.from({ length: 500 }, () => images.update({ name: 'third', target })));
    await fails(take(slower, 1), 'out-of-range', /fell behind: 1 events/);
    const row = fixture.store.database.get<{ n: bigint }>('SELECT count(*) AS n FROM event');
    assert.equal(Number(row?.n), eventsKept);
  });
});
