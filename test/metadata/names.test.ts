import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { is } from '../../src/errors.ts';
import { fieldsOf, parseFilters } from '../../src/filters/filter.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { type Digest, digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { Timestamp } from '../../src/spec/timestamp.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { put, temporaryStore } from './support.ts';

const target: Descriptor = { mediaType: mediaTypes.ociManifest, digest: digestOf('one'), size: 3 };
const other: Descriptor = { ...target, digest: digestOf('two'), annotations: { a: '1', b: '2' } };

async function names(items: AsyncIterable<{ name: string }>): Promise<string[]> {
  return (await Array.fromAsync(items)).map((item) => item.name);
}

describe('images', () => {
  it('are created once, with everything their descriptor says', async () => {
    await using fixture = await temporaryStore();
    const { images } = fixture.services;
    const whole: Descriptor = {
      ...other,
      urls: ['https://example.org/x'],
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      artifactType: 'application/x',
      data: 'dHdv',
    };
    const before = Timestamp.now();
    const created = await images.create({ name: 'a b/c:1', target: whole, labels: { k: 'v', gone: '' } });
    assert.deepEqual(await images.get('a b/c:1'), created);
    assert.deepEqual(created.target, whole);
    assert.deepEqual({ ...created.labels }, { k: 'v' });
    assert.ok(created.createdAt.nanoseconds >= before.nanoseconds);
    assert.equal(created.updatedAt.nanoseconds, created.createdAt.nanoseconds);
    await fails(images.create({ name: 'a b/c:1', target }), 'already-exists');
    assert.deepEqual((await images.get('a b/c:1')).target, whole);
  });

  it('malformed in any way are refused, and nothing changes', async () => {
    await using fixture = await temporaryStore();
    const { images } = fixture.services;
    await images.create({ name: 'app', target });
    const before = await images.get('app');
    const bad: [string, Descriptor, Record<string, string>?][] = [
      ['', target],
      ['\ud800', target],
      ['app', { ...target, digest: 'sha256:short' as Digest }],
      ['app', { ...target, size: 0 }],
      ['app', { ...target, size: -1 }],
      ['app', { ...target, size: 1.5 }],
      ['app', { ...target, mediaType: '' }],
      ['app', target, { k: 'x'.repeat(4096) }],
      ['app', target, { '': 'x' }],
      ['app', target, { k: '\ud800' }],
    ];
    for (const [name, descriptor, labels] of bad) {
      await fails(images.create({ name, target: descriptor, labels }), 'invalid-argument');
      if (name === 'app') await fails(images.update({ name, target: descriptor, labels }), 'invalid-argument');
    }
    for (const path of ['name', 'target.digest', 'labels.', 'createdAt', 'annotationsx'])
      await fails(images.update({ name: 'app', target: other }, 'target', path), 'invalid-argument');
    assert.deepEqual(await images.get('app'), before);
    assert.deepEqual(await names(images.list()), ['app']);
  });

  it('are updated whole or by field path', async () => {
    await using fixture = await temporaryStore();
    const { images } = fixture.services;
    const { createdAt } = await images.create({ name: 'app', target, labels: { k1: '1', k2: '2' } });
    const byLabel = await images.update({ name: 'app', target: other, labels: { k1: 'x', k3: '3' } }, 'labels.k1');
    assert.deepEqual([byLabel.target, { ...byLabel.labels }], [target, { k1: 'x', k2: '2' }]);
    const byTarget = await images.update({ name: 'app', target: other }, 'target');
    assert.deepEqual([byTarget.target, { ...byTarget.labels }], [other, { k1: 'x', k2: '2' }]);
    const change = { ...target, annotations: { a: 'new' } };
    const byAnnotation = await images.update({ name: 'app', target: change }, 'annotations.a', 'annotations.b');
    assert.deepEqual(byAnnotation.target, { ...other, annotations: { a: 'new' } });
    const byLabels = await images.update({ name: 'app', target, labels: { only: 'this' } }, 'labels');
    assert.deepEqual({ ...byLabels.labels }, { only: 'this' });
    const odd = await images.update({ name: 'app', target, labels: { ['__proto__']: 'x' } }, 'labels.__proto__');
    assert.deepEqual(Object.entries(odd.labels), [
      ['only', 'this'],
      ['__proto__', 'x'],
    ]);
    assert.equal((await names(images.list('labels.__proto__==x'))).length, 1);
    const gone = await images.update({ name: 'app', target, labels: {} }, 'labels.constructor', 'labels.__proto__');
    assert.deepEqual(Object.entries(gone.labels), [['only', 'this']]);
    const whole = await images.update({ name: 'app', target });
    assert.deepEqual([whole.target, { ...whole.labels }], [target, {}]);
    assert.equal(whole.createdAt.nanoseconds, createdAt.nanoseconds);
    assert.ok(whole.updatedAt.nanoseconds > createdAt.nanoseconds);
    assert.deepEqual(await images.get('app'), whole);
    await fails(images.update({ name: 'absent', target }), 'not-found');
  });

  it('are deleted, on demand only with the target that is meant', async () => {
    await using fixture = await temporaryStore();
    const { images } = fixture.services;
    await images.create({ name: 'app', target });
    await fails(images.delete('app', { target: other }), 'not-found');
    await images.delete('app', { target });
    await fails(images.delete('app'), 'not-found');
    await fails(images.get('app'), 'not-found');
  });

  it('are listed by name, more than a page of them, and by filters', async () => {
    await using fixture = await temporaryStore();
    const { images } = fixture.services;
    const all = Array.from({ length: 1201 }, (_, n) => `image-${n}`).concat('Ä', 'Z', 'a,b', '😀', '\uffee');
    await Promise.all(
      all.map((name, n) => images.create({ name, target: n % 100 === 0 ? other : target, labels: { n: `${n % 7}` } })),
    );
    const order = (one: string, two: string): number => Buffer.compare(Buffer.from(one), Buffer.from(two));
    assert.deepEqual(await names(images.list()), [...all].sort(order));
    assert.equal((await names(images.list('labels.n==3'))).length, 172);
    assert.equal((await names(images.list(`target.digest==${other.digest},annotations.b==2`))).length, 13);
    assert.deepEqual(await names(images.list('name==image-7', 'name=="a,b"', 'name~=/^image-11$/')), [
      'a,b',
      'image-11',
      'image-7',
    ]);
    assert.deepEqual(await names(images.list(`target.mediatype!=${target.mediaType}`)), []);
    await fails(names(images.list('name=')), 'invalid-argument');
  });

  it('may be deleted while they are listed', async () => {
    await using fixture = await temporaryStore();
    const { images } = fixture.services;
    await Promise.all(Array.from({ length: 1100 }, (_, n) => images.create({ name: `i${n}`, target })));
    for await (const { name } of images.list()) await images.delete(name);
    assert.deepEqual(await names(images.list()), []);
  });
});

describe('filters in the database', () => {
  const text = fc.oneof(
    fc.constantFrom(
      'a',
      'b',
      'a.b',
      'x,y',
      '__proto__',
      'constructor',
      '"',
      '\\',
      ':',
      '","',
      '{',
      'é',
      '\ufffd',
      '%',
      '_',
    ),
    fc.string({ unit: 'grapheme', maxLength: 6 }),
  );
  const safe = text.filter((one) => !/[\0\n]/.test(one) && one.isWellFormed());
  const key = safe.filter((one) => one !== '');
  const labels = fc.dictionary(
    key,
    safe.filter((one) => one !== ''),
    { maxKeys: 4 },
  );
  const quoted = (one: string): string => `"${one.replace(/[\\"]/g, '\\$&')}"`;
  const path = fc.oneof(
    fc.constantFrom('name', 'target.digest', 'target.mediatype', 'absent', '"target.digest"', 'labels', 'name.x'),
    fc.tuple(fc.constantFrom('labels', 'annotations'), key).map(([map, one]) => `${map}.${quoted(one)}`),
  );
  const member = fc
    .array(
      fc.tuple(
        path,
        fc.constantFrom('', '==', '!=', '~='),
        fc.oneof(safe, fc.constantFrom(target.digest, 'i1', '^.$')),
      ),
      { minLength: 1, maxLength: 3 },
    )
    .map((parts) => parts.map(([field, operator, value]) => field + operator + (operator && quoted(value))).join(','));

  it('mean what they mean to the matcher', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ labels, annotations: labels, two: fc.boolean() }), { maxLength: 8 }),
        fc.array(fc.array(member, { maxLength: 3 }), { minLength: 1, maxLength: 8 }),
        async (made, lists) => {
          await using fixture = await temporaryStore({ durability: 'none' });
          const { images, content } = fixture.services;
          for (const [n, one] of made.entries()) {
            const base = one.two ? other : target;
            await images.create({
              name: `i${n}`,
              target: { ...base, annotations: one.annotations },
              labels: one.labels,
            });
            await put(content, 'r', `blob ${n}`, { labels: one.labels });
          }
          const everyImage = await Array.fromAsync(images.list());
          const everyBlob = await Array.fromAsync(content.walk());
          for (const filters of lists) {
            const filter = parseFilters(filters);
            const expected = everyImage.filter(({ name, target: { digest, mediaType, annotations }, labels: all }) =>
              filter(fieldsOf({ name, target: { digest, mediatype: mediaType }, annotations, labels: all })),
            );
            assert.deepEqual(await Array.fromAsync(images.list(...filters)), expected, JSON.stringify(filters));
            const blobs = everyBlob.filter(({ digest, labels: all }) => filter(fieldsOf({ digest, labels: all })));
            assert.deepEqual(await Array.fromAsync(content.walk(...filters)), blobs, JSON.stringify(filters));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of any number are accepted', async () => {
    await using fixture = await temporaryStore();
    await fixture.services.images.create({ name: 'app', target });
    const many = Array.from({ length: 5000 }, (_, n) => `labels.x==${n}`);
    assert.deepEqual(await names(fixture.services.images.list(...many, 'name==app')), ['app']);
    assert.deepEqual(await names(fixture.services.images.list(many.join(','))), []);
  });
});

describe('leases', () => {
  it('are created with what they are told, or an id of their own', async () => {
    await using fixture = await temporaryStore();
    const { leases } = fixture.services;
    const expiresAt = Timestamp.parse('2040-01-01T00:00:00.5Z');
    const lease = await leases.create({ id: 'my lease', labels: { team: 'a' }, expiresAt });
    assert.equal(lease.labels['containerd.io/gc.expire'], '2040-01-01T00:00:00.5Z');
    assert.equal(lease.expiresAt?.nanoseconds, expiresAt.nanoseconds);
    assert.deepEqual(await Array.fromAsync(leases.list()), [lease]);
    await fails(leases.create({ id: 'my lease' }), 'already-exists');
    await fails(leases.create({ id: '' }), 'invalid-argument');
    await fails(leases.create({ labels: { k: 'x'.repeat(5000) } }), 'invalid-argument');
    const own = await leases.create();
    assert.ok(own.id.length > 10);
    assert.equal(own.expiresAt, undefined);
    assert.deepEqual(
      (await Array.fromAsync(leases.list('labels.team==a', 'id==none'))).map((one) => one.id),
      ['my lease'],
    );
    await leases.delete('my lease');
    await fails(leases.delete('my lease'), 'not-found');
  });

  it('hold content, ingests and images, and nothing else', async () => {
    await using fixture = await temporaryStore();
    const { leases } = fixture.services;
    await leases.create({ id: 'l' });
    const resources = [
      { type: 'content', id: digestOf('x') },
      { type: 'images', id: 'app' },
      { type: 'ingests', id: 'layer' },
    ];
    for (const resource of resources) {
      await leases.addResource('l', resource);
      await leases.addResource('l', resource);
    }
    assert.deepEqual(await Array.fromAsync(leases.resources('l')), resources);
    await fails(leases.addResource('l', { type: 'snapshots/overlayfs', id: 'x' }), 'not-implemented');
    await fails(leases.addResource('l', { type: 'content', id: 'no digest' }), 'invalid-argument');
    await fails(leases.addResource('l', { type: 'images', id: '' }), 'invalid-argument');
    await fails(leases.addResource('none', { type: 'images', id: 'x' }), 'not-found');
    await fails(leases.deleteResource('none', { type: 'images', id: 'x' }), 'not-found');
    await fails(Array.fromAsync(leases.resources('none')), 'not-found');
    await leases.deleteResource('l', { type: 'images', id: 'app' });
    await leases.deleteResource('l', { type: 'images', id: 'app' });
    assert.equal((await Array.fromAsync(leases.resources('l'))).length, 2);
  });

  it('follow an ingest until it is a blob, and a blob that is there already', async () => {
    await using fixture = await temporaryStore();
    const { leases, content } = fixture.services;
    await leases.create({ id: 'l' });
    await leases.create({ id: 'm' });
    const writer = await content.writer({ ref: 'layer', lease: 'l' });
    assert.deepEqual(await Array.fromAsync(leases.resources('l')), [{ type: 'ingests', id: 'layer' }]);
    await writer.write(Buffer.from('x'));
    const { digest } = await writer.commit();
    assert.deepEqual(await Array.fromAsync(leases.resources('l')), [{ type: 'content', id: digest }]);
    await fails(content.writer({ ref: 'again', target: { digest, size: 1 }, lease: 'm' }), 'already-exists');
    await fails(put(content, 'once more', 'x', { lease: 'm' }), 'already-exists');
    assert.deepEqual(await Array.fromAsync(leases.resources('m')), [{ type: 'content', id: digest }]);
    await fails(content.writer({ ref: 'r', lease: 'none' }), 'not-found');
    assert.deepEqual(await Array.fromAsync(content.statuses()), []);
  });

  it('deleted under a running ingest make its commit fail, and it can be tried again', async () => {
    await using fixture = await temporaryStore();
    const { leases, content } = fixture.services;
    await leases.create({ id: 'l' });
    const writer = await content.writer({ ref: 'layer', target: { digest: digestOf('x'), size: 1 }, lease: 'l' });
    await writer.write(Buffer.from('x'));
    await leases.delete('l');
    await fails(writer.commit(), 'not-found');
    await fails(content.info(digestOf('x')), 'not-found');
    await using again = await content.writer({ ref: 'layer', target: { digest: digestOf('x'), size: 1 } });
    assert.equal((await again.status()).offset, 1);
    await again.commit();
  });
});

describe('namespaces', () => {
  it('have names of a strict form', async () => {
    await using fixture = await temporaryStore();
    const { store } = fixture;
    for (const name of ['a', 'A1', 'k8s.io', 'a-b_c.d', 'x'.repeat(76)]) await store.namespaces.create({ name });
    const bad = ['', '-a', 'a-', 'a..b', 'a/b', 'a b', 'ä', '.', 'x'.repeat(77), 'a\n', 'a._b'];
    for (const name of bad) {
      await fails(store.namespaces.create({ name }), 'invalid-argument');
      assert.throws(
        () => store.services(name),
        (error) => is(error, 'invalid-argument'),
      );
    }
    assert.equal((await names(store.namespaces.list())).length, 5);
  });

  it('come with their first object and not by looking', async () => {
    await using fixture = await temporaryStore();
    const { store } = fixture;
    const view = store.services('fresh');
    assert.deepEqual(await Array.fromAsync(view.content.walk()), []);
    await fails(view.images.get('x'), 'not-found');
    await fails(store.namespaces.get('fresh'), 'not-found');
    await view.images.create({ name: 'x', target });
    assert.deepEqual(await names(store.namespaces.list()), ['fresh']);
    await fails(store.namespaces.create({ name: 'fresh' }), 'already-exists');
  });

  it('have labels', async () => {
    await using fixture = await temporaryStore();
    const { namespaces } = fixture.store;
    await namespaces.create({ name: 'a', labels: { k: 'v', none: '' } });
    await namespaces.update({ name: 'a', labels: { l: 'w' } }, 'labels.l');
    assert.deepEqual({ ...(await namespaces.get('a')).labels }, { k: 'v', l: 'w' });
    await namespaces.update({ name: 'a', labels: { only: 'x' } });
    assert.deepEqual({ ...(await namespaces.get('a')).labels }, { only: 'x' });
    assert.deepEqual(await names(namespaces.list('labels.only==x,name!=b')), ['a']);
    assert.deepEqual(await names(namespaces.list('name==b')), []);
    await fails(namespaces.update({ name: 'none', labels: {} }), 'not-found');
    await fails(namespaces.update({ name: 'a', labels: {} }, 'name'), 'invalid-argument');
    await fails(namespaces.create({ name: 'b', labels: { k: 'x'.repeat(4096) } }), 'invalid-argument');
  });

  it('are deleted only when they hold neither images nor content nor open ingests', async () => {
    await using fixture = await temporaryStore();
    const { store, services } = fixture;
    await services.images.create({ name: 'app', target });
    await put(services.content, 'r', 'one');
    await put(services.content, 'r', 'two');
    await services.leases.create({ id: 'l' });
    await using idle = await services.content.writer({ ref: 'idle' });
    await idle.write(Buffer.from('x'));
    await fails(store.namespaces.delete('default'), 'failed-precondition', /1 image, 2 blobs, 1 open ingest$/);
    await idle[Symbol.asyncDispose]();
    await services.images.delete('app');
    await fails(store.namespaces.delete('default'), 'failed-precondition');
    await store.collect();
    await store.namespaces.delete('default');
    await fails(store.namespaces.delete('default'), 'not-found');
    assert.deepEqual(await Array.fromAsync(services.content.statuses()), []);
    assert.deepEqual(await Array.fromAsync(services.leases.list()), []);
  });
});
