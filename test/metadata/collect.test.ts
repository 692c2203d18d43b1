import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { storeFailure } from '../../src/content/local/failure.ts';
import type { ContentStore } from '../../src/content/store.ts';
import { BlobFiles } from '../../src/metadata/blob-files.ts';
import type { Removed } from '../../src/metadata/collection.ts';
import { openStore, type Store } from '../../src/metadata/open-store.ts';
import type { Services } from '../../src/services/services.ts';
import { type Digest, digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { Timestamp } from '../../src/spec/timestamp.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { mountDisk, unlessDisks } from '../support/mounts.ts';
import { start } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { blobFile, put, readAll, temporaryStore } from './support.ts';

const past = new Timestamp(Timestamp.now().nanoseconds - 1_000_000_000n);
const future = new Timestamp(Timestamp.now().nanoseconds + 3_600_000_000_000n);
const program = join(import.meta.dirname, 'store-process.ts');

const ref = (name: string, digest: string): Record<string, string> => ({
  [`containerd.io/gc.ref.content${name}`]: digest,
});

async function name(
  services: Services,
  image: string,
  digest: Digest,
  labels: Record<string, string> = {},
): Promise<void> {
  await services.images.create({ name: image, target: { mediaType: mediaTypes.ociManifest, digest, size: 1 }, labels });
}

async function digests(content: ContentStore): Promise<Digest[]> {
  return (await Array.fromAsync(content.walk())).map((info) => info.digest);
}

const objects = [0, 1, 2, 3];

/** Keys of labels of a collection, and whether they name content or an image. */
const keys = [
  ['containerd.io/gc.ref.content.0', 'content'],
  ['containerd.io/gc.bref.content/x', 'content'],
  ['containerd.io/gc.ref.image', 'image'],
  ['containerd.io/gc.bref.image.y', 'image'],
  ['containerd.io/gc.root.old', 'content'],
] as const;

const labels = fc.array(fc.tuple(fc.constantFrom(...keys), fc.constantFrom(...objects)), { maxLength: 3 });
const often = fc.constantFrom(true, true, true, false);

/** Blobs, images and leases, and what they refer to. */
const graph = fc.record({
  blobs: fc.array(labels, { minLength: objects.length, maxLength: objects.length }),
  images: fc.array(fc.record({ labels, of: fc.constantFrom(...objects), expired: often }), {
    maxLength: objects.length,
  }),
  leases: fc.array(
    fc.record({
      flat: fc.boolean(),
      ended: fc.constantFrom(false, false, true),
      holds: fc.array(fc.tuple(fc.constantFrom('content', 'images'), fc.constantFrom(...objects)), {
        minLength: 1,
        maxLength: 2,
      }),
    }),
    { minLength: 1, maxLength: 2 },
  ),
});

type Made = typeof graph extends fc.Arbitrary<infer T> ? T : never;

/** Makes a graph in a namespace; returns the digests of its blobs. */
async function build({ content, images, leases }: Services, made: Made): Promise<Digest[]> {
  const bytes = (of: number): string => `blob ${of}`;
  const named = (type: string, of: number): string => (type === 'content' ? digestOf(bytes(of)) : `image ${of}`);
  const labelsOf = (edges: Made['blobs'][number]): Record<string, string> =>
    Object.fromEntries(edges.map(([[key, type], of]) => [key, named(type, of)]));
  const found: Digest[] = [];
  for (const [n, edges] of made.blobs.entries())
    found.push((await put(content, `${n}`, bytes(n), { labels: labelsOf(edges) })).digest);
  for (const [n, image] of made.images.entries()) {
    const expiry = { 'containerd.io/gc.expire': `${image.expired ? past : future}` };
    const target = { mediaType: mediaTypes.ociManifest, digest: digestOf(bytes(image.of)), size: 1 };
    await images.create({ name: `image ${n}`, target, labels: { ...labelsOf(image.labels), ...expiry } });
  }
  for (const [n, { flat, holds, ended }] of made.leases.entries()) {
    const id = ended ? `ended ${n}` : `${n}`;
    await leases.create({ id, labels: flat ? { 'containerd.io/gc.flat': 'x' } : {} });
    for (const [type, of] of holds) await leases.addResource(id, { type, id: named(type, of) });
  }
  return found;
}

/** Lets the time of leases be over that are called so: one that has expired takes nothing on. */
function endLeases(root: string, namespace: string): void {
  using database = new DatabaseSync(join(root, 'metadata.db'), { timeout: 10_000 });
  database.prepare(`UPDATE lease SET expires_at = 1 WHERE namespace = ? AND id LIKE 'ended%'`).run(namespace);
}

/** Collects, after a dry run that has to tell the same and change nothing. */
async function collect(store: Store, content: ContentStore): Promise<Removed[]> {
  const before = await digests(content);
  const foretold: Removed[] = [];
  const told: Removed[] = [];
  const expected = await store.collect({ dryRun: true, onRemove: (removed) => foretold.push(removed) });
  assert.deepEqual(await digests(content), before);
  const summary = await store.collect({ onRemove: (removed) => told.push(removed) });
  const order = (removed: Removed): string => `${removed.type} ${removed.id}`;
  assert.deepEqual(foretold.map(order).sort(), told.map(order).sort());
  assert.deepEqual(summary, expected);
  return told;
}

describe('a collection', () => {
  it('takes what nothing refers to, entry and file', async () => {
    await using fixture = await temporaryStore();
    const { content } = fixture.services;
    const { digest } = await put(content, 'r', 'nobody needs me');
    assert.deepEqual(await Array.fromAsync(fixture.store.explain(digest)), []);
    const told = await collect(fixture.store, content);
    assert.deepEqual(told, [
      { type: 'content', namespace: 'default', id: digest, size: 15 },
      { type: 'file', id: digest, size: 15 },
    ]);
    await fails(content.info(digest), 'not-found');
    assert.equal(existsSync(blobFile(fixture.root, digest)), false);
  });

  it('keeps an image and all that labels refer to below it', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const { content } = services;
    const layer = await put(content, 'l', 'layer');
    const config = await put(content, 'c', 'config');
    const other = await put(content, 'o', 'not below', { labels: ref('X', layer.digest) });
    const manifest = await put(content, 'm', 'manifest', {
      labels: { ...ref('.l.0', layer.digest), ...ref('.config', config.digest), ...ref('.9', digestOf('absent')) },
    });
    const index = await put(content, 'i', 'index', { labels: ref('/m', manifest.digest) });
    await name(services, 'app:1', index.digest);
    assert.deepEqual(
      (await collect(store, content)).map((removed) => removed.id),
      [other.digest, other.digest],
    );
    assert.deepEqual(await digests(content), [layer, config, manifest, index].map((info) => info.digest).sort());
    const chains = await Array.fromAsync(store.explain(layer.digest));
    assert.deepEqual(
      chains.map((chain) => chain.map(({ type, id, label }) => [type, id, label])),
      [
        [
          ['image', 'app:1', undefined],
          ['content', index.digest, 'containerd.io/gc.ref.content/m'],
          ['content', manifest.digest, 'containerd.io/gc.ref.content.l.0'],
        ],
      ],
    );
    await services.images.delete('app:1', { synchronous: true });
    assert.deepEqual(await digests(content), []);
  });

  it('follows cycles of labels, and takes them when nothing leads there', async () => {
    await using fixture = await temporaryStore();
    const { content } = fixture.services;
    const one = await put(content, '1', 'one');
    const two = await put(content, '2', 'two', { labels: ref('', one.digest) });
    await content.update({ digest: one.digest, labels: ref('', two.digest) });
    await name(fixture.services, 'cyclic', one.digest);
    await collect(fixture.store, content);
    assert.equal((await digests(content)).length, 2);
    await fixture.services.images.delete('cyclic');
    await collect(fixture.store, content);
    assert.equal((await digests(content)).length, 0);
  });

  it('keeps what a root label is on, whatever its value', async () => {
    await using fixture = await temporaryStore();
    const { content } = fixture.services;
    const child = await put(content, 'c', 'child');
    await put(content, 'r', 'root', { labels: { 'containerd.io/gc.root': 'now', ...ref('', child.digest) } });
    await put(content, 'n', 'no root', { labels: { note: 'has "containerd.io/gc.root": in its text' } });
    assert.equal((await collect(fixture.store, content)).length, 2);
    assert.equal((await digests(content)).length, 2);
    const [chain] = await Array.fromAsync(fixture.store.explain(child.digest));
    assert.deepEqual(
      chain?.map((holder) => holder.type),
      ['root', 'content'],
    );
  });

  it('keeps what a lease holds until it is deleted or expires', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const { content, leases } = services;
    const child = await put(content, 'c', 'child');
    await leases.create({ id: 'work', expiresAt: future });
    const held = await put(content, 'h', 'held', { lease: 'work', labels: ref('', child.digest) });
    assert.deepEqual(await Array.fromAsync(leases.resources('work')), [{ type: 'content', id: held.digest }]);
    await collect(store, content);
    assert.equal((await digests(content)).length, 2);
    const [chain] = await Array.fromAsync(store.explain(child.digest));
    assert.deepEqual(
      chain?.map((holder) => [holder.type, holder.id]),
      [
        ['lease', 'work'],
        ['content', held.digest],
      ],
    );
    await leases.delete('work', { synchronous: true });
    assert.deepEqual(await digests(content), []);
  });

  it('deletes leases that have expired, and what only they held', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const { digest } = await put(services.content, 'h', 'held');
    await services.leases.create({ id: 'old', labels: { 'containerd.io/gc.expire': 'no time at all' } });
    await services.leases.addResource('old', { type: 'content', id: digest });
    await collect(store, services.content);
    assert.equal((await digests(services.content)).length, 1);
    await services.leases.delete('old');
    const lease = await services.leases.create({ id: 'gone', expiresAt: past });
    assert.equal(lease.expiresAt?.nanoseconds, past.nanoseconds);
    await fails(services.leases.addResource('gone', { type: 'content', id: digest }), 'failed-precondition', /expired/);
    await fails(put(services.content, 'x', 'x', { lease: 'gone' }), 'failed-precondition');
    const told = await collect(store, services.content);
    assert.deepEqual(told.map((removed) => removed.type).sort(), ['content', 'file', 'lease']);
    assert.deepEqual(await Array.fromAsync(services.leases.list()), []);
  });

  it('keeps of a flat lease what it holds, not what that refers to', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const child = await put(services.content, 'c', 'child');
    const parent = await put(services.content, 'p', 'parent', { labels: ref('', child.digest) });
    await services.leases.create({ id: 'flat', labels: { 'containerd.io/gc.flat': 'yes' } });
    await services.leases.addResource('flat', { type: 'content', id: parent.digest });
    assert.deepEqual(await Array.fromAsync(store.explain(child.digest)), []);
    assert.equal((await Array.fromAsync(store.explain(parent.digest))).length, 1);
    await collect(store, services.content);
    assert.deepEqual(await digests(services.content), [parent.digest]);
  });

  it('keeps of a flat lease nothing that refers back to what it holds', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const parent = await put(services.content, 'p', 'parent');
    const labels = { 'containerd.io/gc.bref.content': parent.digest };
    const child = await put(services.content, 'c', 'child', { labels });
    await services.leases.create({ id: 'flat', labels: { 'containerd.io/gc.flat': 'yes' } });
    await services.leases.addResource('flat', { type: 'content', id: parent.digest });
    assert.deepEqual(await Array.fromAsync(store.explain(child.digest)), []);
    await collect(store, services.content);
    assert.deepEqual(await digests(services.content), [parent.digest]);
  });

  it('keeps exactly what it can give a reason for, whatever refers to what', async () => {
    await using fixture = await temporaryStore({ durability: 'none' });
    const { store } = fixture;
    let count = 0;
    const property = fc.asyncProperty(fc.array(graph, { minLength: 10, maxLength: 10 }), async (graphs) => {
      const explained = new Map<Services, Digest[]>();
      for (const made of graphs) {
        count += 1;
        const services = store.services(`n${count}`);
        const all = await build(services, made);
        endLeases(fixture.root, services.namespace);
        const reasons = await Promise.all(all.map(async (digest) => await Array.fromAsync(store.explain(digest))));
        const held = all.filter((_, n) => reasons[n]?.some(([first]) => first?.namespace === services.namespace));
        explained.set(services, held.sort());
      }
      await store.collect();
      for (const [{ content }, held] of explained) assert.deepEqual(await digests(content), held);
    });
    await fc.assert(property, { numRuns: 12, endOnFailure: true });
  });

  it('keeps until the year 9999 what is said to be kept so long, and takes what expired with the Roman empire', async () => {
    await using temporary = await temporaryStore({ durability: 'none' });
    const { store, services } = temporary;
    const { images, leases } = services;
    const { digest } = await put(services.content, 'kept', 'kept');
    const until = (time: string): Record<string, string> => ({ 'containerd.io/gc.expire': time });
    await leases.create({ id: 'kept', labels: until('9999-12-31T23:59:59Z') });
    await leases.create({ id: 'gone', labels: until('0001-01-01T00:00:00Z') });
    await name(services, 'gone', digest, until('0001-01-01T00:00:00Z'));
    await name(services, 'kept', digest);
    const { target } = await images.get('kept');
    await images.update({ name: 'kept', target, labels: until('9999-12-31T23:59:59Z') }, 'labels');
    await store.collect();
    assert.deepEqual(
      (await Array.fromAsync(leases.list())).map(({ id }) => id),
      ['kept'],
    );
    assert.deepEqual(
      (await Array.fromAsync(images.list())).map((image) => image.name),
      ['kept'],
    );
  });

  it('takes an image that has expired, unless something refers to it', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const expired = { 'containerd.io/gc.expire': `${past}` };
    const one = await put(services.content, '1', 'one');
    const two = await put(services.content, '2', 'two');
    const three = await put(services.content, '3', 'three');
    await name(services, 'gone', one.digest, expired);
    await name(services, 'leased', two.digest, expired);
    await services.leases.create({ id: 'l' });
    await services.leases.addResource('l', { type: 'images', id: 'leased' });
    await name(services, 'young', three.digest, expired);
    const { target } = await services.images.get('young');
    const labels = { 'containerd.io/gc.expire': `${future}` };
    await services.images.update({ name: 'young', target, labels }, 'labels');
    const told = await collect(store, services.content);
    assert.deepEqual(told.map((removed) => removed.id).sort(), ['gone', one.digest, one.digest].sort());
    assert.deepEqual(await digests(services.content), [two.digest, three.digest].sort());
    assert.equal((await Array.fromAsync(store.explain(two.digest)))[0]?.[0]?.type, 'lease');
  });

  it('keeps what refers back to something that is kept', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const subject = await put(services.content, 's', 'subject');
    const referrer = await put(services.content, 'r', 'referrer', {
      labels: { 'containerd.io/gc.bref.content.0': subject.digest },
    });
    const byImage = await put(services.content, 'i', 'by image', { labels: { 'containerd.io/gc.bref.image': 'app' } });
    await put(services.content, 'x', 'refers back to nothing', {
      labels: { 'containerd.io/gc.bref.content.0': digestOf('absent') },
    });
    await name(services, 'app', subject.digest);
    await collect(store, services.content);
    assert.deepEqual(await digests(services.content), [subject, referrer, byImage].map((info) => info.digest).sort());
    for (const { digest } of [referrer, byImage])
      assert.equal((await Array.fromAsync(store.explain(digest)))[0]?.[0]?.id, 'app');
    await services.images.delete('app');
    await collect(store, services.content);
    assert.deepEqual(await digests(services.content), []);
  });

  it('never looks across namespaces, and keeps the file as long as one has the blob', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const other = store.services('other');
    const { digest } = await put(services.content, 'a', 'both');
    await put(other.content, 'b', 'both', { labels: { 'containerd.io/gc.root': 'x' } });
    await name(other, 'app', digestOf('unrelated'));
    const told = await collect(store, services.content);
    assert.deepEqual(told, [{ type: 'content', namespace: 'default', id: digest, size: 4 }]);
    assert.equal(`${await readAll(other.content, digest)}`, 'both');
  });

  it('never takes what an open ingest is about to have', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const other = store.services('other');
    const { digest } = await put(services.content, 'a', 'adopted');
    const writer = await other.content.writer({ ref: 'b', target: { digest, size: 7 } });
    await store.collect();
    await fails(services.content.info(digest), 'not-found');
    await writer.commit();
    assert.equal(`${await readAll(other.content, digest)}`, 'adopted');
    await using open = await other.content.writer({ ref: 'open' });
    await open.write(Buffer.from('half'));
    assert.equal((await store.collect({ ingestLifetime: 0 })).ingests, 0);
    await open.write(Buffer.from(' done'));
    assert.equal((await open.commit()).digest, digestOf('half done'));
  });

  it('takes ingests that were given up, unless a lease holds them', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    for (const id of ['l', 'ended']) await services.leases.create({ id });
    for (const [ref, lease] of [
      ['held', 'l'],
      ['given up', undefined],
      ['no longer held', 'ended'],
    ] as const) {
      await using writer = await services.content.writer({ ref, lease });
      await writer.write(Buffer.from('half'));
    }
    endLeases(fixture.root, 'default');
    const half = join(fixture.root, 'content', 'ingest', digestOf('half made').slice(7));
    await mkdir(half);
    assert.equal((await store.collect()).ingests, 0);
    const told: Removed[] = [];
    await store.collect({ ingestLifetime: 0, onRemove: (removed) => told.push(removed) });
    const ingests = told.filter(({ type }) => type === 'ingest');
    assert.deepEqual(ingests.map(({ id, size }) => [id, size]).sort(), [
      ['given up', 4],
      ['no longer held', 4],
    ]);
    assert.deepEqual(
      (await Array.fromAsync(services.content.statuses())).map((status) => status.ref),
      ['held'],
    );
    assert.equal(existsSync(half), false);
  });

  it('finds files that a crash left, and leaves strange ones alone', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const { digest } = await put(services.content, 'a', 'left');
    await store.database.write((transaction) => transaction.run('DELETE FROM blob'));
    const directory = join(fixture.root, 'content', 'blobs', 'sha256');
    const old = blobFile(fixture.root, digestOf('from before'));
    await writeFile(old, 'from before');
    await utimes(old, 1000, 1000);
    await writeFile(join(directory, 'README'), 'hello');
    await writeFile(join(directory, '..', 'README'), 'hello');
    await mkdir(join(directory, 'd'.repeat(64)));
    await symlink('/etc/hostname', join(directory, 'e'.repeat(64)));
    await mkdir(join(directory, '..', 'md5'));
    await writeFile(join(directory, '..', 'md5', 'a'.repeat(32)), 'hello');
    const told = await collect(store, services.content);
    assert.deepEqual(told, [{ type: 'file', id: digest, size: 4 }]);
    assert.equal((await readdir(directory)).length, 4);
    assert.equal((await readdir(join(directory, '..'))).length, 3);
  });

  it('removes all other files when one cannot be removed, and then tells of that', async (t) => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const digests: Digest[] = [];
    for (const text of ['one', 'two', 'three']) digests.push((await put(services.content, text, text)).digest);
    const [held] = digests.toSorted();
    const remove = BlobFiles.prototype.removeNow;
    const busy = Object.assign(new Error('EBUSY: resource busy or locked, unlink'), { code: 'EBUSY' });
    t.mock.method(BlobFiles.prototype, 'removeNow', function (this: BlobFiles, digest: Digest) {
      if (digest === held) throw storeFailure(busy, `remove ${digest}`);
      remove.call(this, digest);
    });
    await fails(store.collect(), 'unavailable');
    assert.deepEqual(
      digests.filter((digest) => existsSync(blobFile(fixture.root, digest))),
      [held],
    );
    t.mock.restoreAll();
    assert.equal((await store.collect()).files, 1);
  });

  it('takes files of a store that was made while the clock was ahead', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    await store.database.write((transaction) =>
      transaction.run('UPDATE store SET created_at = created_at + 3600000000000'),
    );
    const { digest } = await put(services.content, 'a', 'early');
    await services.content.delete(digest);
    await store.collect();
    assert.equal(existsSync(blobFile(fixture.root, digest)), false);
  });

  it('takes what was made in the same second as the store, where times are seconds', {
    skip: unlessDisks('ext4'),
  }, async () => {
    await using directory = await temporaryDirectory();
    await using disk = await mountDisk(directory.join('disk'), 'ext4', ['-I', '128']);
    const root = join(disk.path, 'store');
    await using store = await openStore({ root });
    const { digest } = await put(store.services('default').content, 'a', 'early');
    assert.equal((await stat(blobFile(root, digest), { bigint: true })).mtimeNs % 1_000_000_000n, 0n);
    assert.equal((await store.collect()).files, 1);
    assert.equal(existsSync(blobFile(root, digest)), false);
  });

  it('takes a blob from before the store once it was adopted and given up', async () => {
    await using fixture = await temporaryStore();
    const { content } = fixture.services;
    const bytes = Buffer.from('from before');
    const file = blobFile(fixture.root, digestOf(bytes));
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, bytes);
    await utimes(file, 1000, 1000);
    await fixture.store.collect();
    const writer = await content.writer({ ref: 'r', target: { digest: digestOf(bytes), size: bytes.byteLength } });
    await writer.commit();
    await content.delete(digestOf(bytes));
    assert.equal((await fixture.store.collect()).files, 1);
    assert.equal(existsSync(file), false);
  });

  it('goes on where a killed one stopped', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    for (let n = 0; n < 30; n += 1) await put(services.content, `r${n}`, `garbage ${n}`);
    await using child = start(process.execPath, [program, 'die-between-sweeps', fixture.root]);
    await child.printed(/swept/);
    await child.kill('SIGKILL');
    assert.deepEqual(await digests(services.content), []);
    assert.equal((await readdir(join(fixture.root, 'content', 'blobs', 'sha256'))).length, 30);
    const summary = await store.collect();
    assert.deepEqual([summary.content, summary.files], [0, 30]);
  });

  it('tells subscribers what it took', async () => {
    await using fixture = await temporaryStore();
    const { digest } = await put(fixture.services.content, 'a', 'gone');
    const stop = new AbortController();
    const events = fixture.services.events.subscribe(['topic=="/content/delete"'], { signal: stop.signal });
    await fixture.store.collect();
    for await (const event of events) {
      assert.deepEqual([event.namespace, { ...event.event }], ['default', { digest }]);
      break;
    }
  });

  it('says what an image takes, and what would go with it', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const shared = await put(services.content, 's', '12345');
    const own = await put(services.content, 'o', '1234567');
    const one = await put(services.content, '1', 'm1', {
      labels: { ...ref('.0', shared.digest), ...ref('.1', own.digest) },
    });
    const two = await put(services.content, '2', 'm.2', { labels: ref('.0', shared.digest) });
    await name(services, 'one', one.digest);
    await name(services, 'two', two.digest);
    assert.deepEqual(await store.usage('default', 'one'), {
      blobs: 3,
      bytes: 14,
      exclusiveBlobs: 2,
      exclusiveBytes: 9,
    });
    await fails(store.usage('default', 'three'), 'not-found');
  });
});
