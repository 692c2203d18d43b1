import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContentStore } from '../content/store.ts';
import { is } from '../errors.ts';
import type { Services } from '../services/services.ts';
import { digestOf, emptyDigest } from '../spec/digest.ts';
import { put, readAll } from './content-store/blobs.ts';
import { randomBytes } from './random.ts';

/** An empty store of many namespaces for one test. */
export interface NamespacesFixture extends AsyncDisposable {
  services(namespace: string): Services;
}

/** What kind of store it is. */
export interface CrossNamespaceSuiteOptions {
  /** Whether a namespace may use bytes that another one brought. */
  readonly sharing: 'shared' | 'isolated';
  /** Whether an ingest can be cut to a size other than 0; yes if not said. */
  readonly partialTruncate?: boolean | undefined;
  /** Whether a namespace can be labelled as one that gives what it has; yes if not said. */
  readonly shareable?: boolean | undefined;
}

/**
 * The contract between the namespaces of one store as tests for node's runner, beside `contentStoreSuite` for each of them:
 * names, ingests and labels are apart, and whether bytes are shared is as the policy says.
 */
export function crossNamespaceSuite(
  name: string,
  factory: () => Promise<NamespacesFixture>,
  { sharing, partialTruncate = true, shareable = true }: CrossNamespaceSuiteOptions,
): void {
  const check = (title: string, body: (fixture: NamespacesFixture) => Promise<void>): void => {
    it(title, async () => {
      await using fixture = await factory();
      await body(fixture);
    });
  };
  describe(`across namespaces: ${name}`, () => {
    describe('apart', () => apartCases(check));
    describe('leases', () => leaseCases(check));
    describe(sharing, () =>
      sharing === 'shared' ? sharedCases(check, partialTruncate) : isolatedCases(check, shareable),
    );
  });
}

type Check = (title: string, body: (fixture: NamespacesFixture) => Promise<void>) => void;

function apartCases(check: Check): void {
  check('content of one namespace is not seen in another', async (fixture) => {
    const [one, two] = contents(fixture);
    const { digest } = await put(one, 'ref', Buffer.from('mine'));
    await missing(two.info(digest));
    await missing(two.reader({ digest }));
    await missing(two.update({ digest, labels: { a: '1' } }));
    await missing(two.delete(digest));
    assert.deepEqual(await Array.fromAsync(two.walk()), []);
    assert.equal((await Array.fromAsync(one.walk())).length, 1);
  });

  check('one ref is another ingest in each namespace', async (fixture) => {
    const [one, two] = contents(fixture);
    await using first = await one.writer({ ref: 'same' });
    await using second = await two.writer({ ref: 'same' });
    await first.write(Buffer.from('first'));
    await second.write(Buffer.from('the second'));
    for (const writer of [first, second]) await writer.status();
    assert.equal((await one.status('same')).offset, 5);
    assert.equal((await two.status('same')).offset, 10);
    assert.deepEqual(
      (await Array.fromAsync(one.statuses())).map((status) => [status.ref, status.offset]),
      [['same', 5]],
    );
    await first[Symbol.asyncDispose]();
    await one.abort('same');
    await missing(one.status('same'));
    assert.equal((await second.commit()).digest, digestOf('the second'));
  });

  check('labels belong to the namespace', async (fixture) => {
    const [one, two] = contents(fixture);
    const { digest } = await put(one, 'a', Buffer.from('both'), { labels: { side: 'one' } });
    await put(two, 'b', Buffer.from('both'), { labels: { side: 'two' } });
    await one.update({ digest, labels: { side: 'changed' } }, 'labels.side');
    assert.deepEqual({ ...(await one.info(digest)).labels }, { side: 'changed' });
    assert.deepEqual({ ...(await two.info(digest)).labels }, { side: 'two' });
  });

  check('a delete takes the blob from its namespace alone', async (fixture) => {
    const [one, two] = contents(fixture);
    const bytes = randomBytes(5000, 'both');
    const { digest } = await put(one, 'a', bytes);
    await put(two, 'b', bytes);
    await one.delete(digest);
    await missing(one.info(digest));
    assert.deepEqual(await readAll(two, digest), Buffer.from(bytes));
  });

  check('names, leases and labels of images are apart', async (fixture) => {
    const [one, two] = [fixture.services('one'), fixture.services('two')];
    const target = { mediaType: 'application/octet-stream', digest: digestOf('x'), size: 1 };
    await one.images.create({ name: 'app', target });
    await missing(two.images.get('app'));
    await two.images.create({ name: 'app', target, labels: { of: 'two' } });
    await one.images.delete('app');
    assert.deepEqual({ ...(await two.images.get('app')).labels }, { of: 'two' });
    await one.leases.create({ id: 'l' });
    await missing(two.leases.addResource('l', { type: 'content', id: target.digest }));
    assert.deepEqual(
      (await Array.fromAsync(one.namespaces.list())).map((namespace) => namespace.name),
      ['one', 'two'],
    );
  });
}

function leaseCases(check: Check): void {
  check('hold a blob that somebody else has brought, whenever that is found out', async (fixture) => {
    const { content, leases } = fixture.services('one');
    await leases.create({ id: 'l' });
    const held = async (): Promise<string[]> =>
      (await Array.fromAsync(leases.resources('l'))).filter(({ type }) => type === 'content').map(({ id }) => id);
    const there = await put(content, 'a', Buffer.from('there before'));
    await isThere(content.writer({ ref: 'late', target: there, lease: 'l' }));
    assert.deepEqual(await held(), [there.digest]);
    for (const isSaid of [true, false]) {
      const bytes = Buffer.from(`brought meanwhile ${isSaid}`);
      const digest = digestOf(bytes);
      const writer = await content.writer({ ref: 'b', target: { digest, size: bytes.byteLength }, lease: 'l' });
      await writer.write(bytes);
      await put(content, 'other', bytes);
      await isThere(writer.commit({ digest: isSaid ? digest : undefined }));
      assert.ok((await held()).includes(digest));
    }
  });
}

function sharedCases(check: Check, partialTruncate: boolean): void {
  check('a blob that another namespace has is adopted without a transfer', async (fixture) => {
    const [one, two] = contents(fixture);
    const bytes = randomBytes(10_000, 'adopt');
    const { digest } = await put(one, 'a', bytes);
    const writer = await two.writer({ ref: 'b', target: { digest, size: 10_000 } });
    const status = await writer.status();
    assert.deepEqual([status.ref, status.offset, status.total], ['b', 10_000, 10_000]);
    assert.equal(await writer.digest(), digest);
    await missing(two.info(digest));
    const info = await writer.commit({ size: 10_000, digest, labels: { adopted: 'yes' } });
    assert.deepEqual({ ...info.labels }, { adopted: 'yes' });
    assert.deepEqual(await Array.fromAsync(two.statuses()), []);
    for (const store of [one, two]) assert.deepEqual(await readAll(store, digest), Buffer.from(bytes));
    assert.deepEqual({ ...(await one.info(digest)).labels }, {});
  });

  check('an adopted blob can be appended to, and the first stays as it is', async (fixture) => {
    const [one, two] = contents(fixture);
    const { digest } = await put(one, 'a', Buffer.from('base'));
    const writer = await two.writer({ ref: 'a', target: { digest, size: 4 } });
    await writer.write(Buffer.from(' and more'));
    assert.equal((await writer.status()).offset, 13);
    const appended = digestOf('base and more');
    assert.equal((await writer.commit({ size: 13, digest: appended })).digest, appended);
    assert.equal(`${await readAll(two, appended)}`, 'base and more');
    assert.equal(`${await readAll(one, digest)}`, 'base');
    await missing(two.info(digest));
  });

  check('an adopted blob can be cut', async (fixture) => {
    const [one, two] = contents(fixture);
    const { digest } = await put(one, 'a', Buffer.from('0123456789'));
    for (const size of partialTruncate ? [0, 4, 10] : [0, 10]) {
      await using writer = await two.writer({ ref: `cut ${size}`, target: { digest, size: 10 } });
      await writer.truncate(size);
      assert.equal((await writer.status()).offset, size);
      assert.equal(await writer.digest(), digestOf('0123456789'.slice(0, size)));
    }
  });

  check('a commit of an adopted blob under another size or digest fails and changes nothing', async (fixture) => {
    const [one, two] = contents(fixture);
    const { digest } = await put(one, 'a', Buffer.from('right'));
    for (const expected of [{ size: 6 }, { digest: digestOf('wrong') }]) {
      const writer = await two.writer({ ref: 'b', target: { digest, size: 5 } });
      await assert.rejects(writer.commit(expected), (error) => is(error, 'failed-precondition'));
      await missing(two.info(digest));
    }
    const writer = await two.writer({ ref: 'b', target: { digest, size: 5 } });
    assert.equal((await writer.commit()).digest, digest);
  });

  check('a blob of another size than expected is not adopted', async (fixture) => {
    const [one, two] = contents(fixture);
    const { digest } = await put(one, 'a', Buffer.from('right'));
    await using writer = await two.writer({ ref: 'b', target: { digest, size: 6 } });
    assert.equal((await writer.status()).offset, 0);
  });
}

function isolatedCases(check: Check, shareable: boolean): void {
  check('a blob that another namespace has must be brought again', async (fixture) => {
    const [one, two] = contents(fixture);
    const bytes = Buffer.from('not yours');
    const { digest } = await put(one, 'a', bytes);
    const writer = await two.writer({ ref: 'a', target: { digest, size: bytes.byteLength } });
    const status = await writer.status();
    assert.deepEqual([status.offset, status.total], [0, bytes.byteLength]);
    assert.equal(await writer.digest(), emptyDigest());
    await writer.write(bytes);
    assert.equal((await writer.commit({ digest })).digest, digest);
    assert.deepEqual(await readAll(two, digest), bytes);
  });

  check('knowing a digest is not having the bytes', async (fixture) => {
    const [one, two] = contents(fixture);
    const { digest } = await put(one, 'a', Buffer.from('secret'));
    const writer = await two.writer({ ref: 'a', target: { digest, size: 6 } });
    await assert.rejects(writer.commit({ digest }), (error) => is(error, 'failed-precondition'));
    await missing(two.info(digest));
  });

  if (!shareable) return;
  check('a namespace that is labelled shareable gives what it has', async (fixture) => {
    const one = fixture.services('one');
    const label = 'containerd.io/namespace.shareable';
    await one.namespaces.create({ name: 'one', labels: { [label]: 'false' } });
    const { digest } = await put(one.content, 'a', Buffer.from('for all'));
    const refused = await fixture.services('two').content.writer({ ref: 'a', target: { digest, size: 7 } });
    assert.equal((await refused.status()).offset, 0);
    await refused[Symbol.asyncDispose]();
    await one.namespaces.update({ name: 'one', labels: { [label]: 'true' } }, 'labels');
    await using writer = await fixture.services('two').content.writer({ ref: 'a', target: { digest, size: 7 } });
    assert.equal((await writer.status()).offset, 7);
    assert.equal((await writer.commit()).digest, digest);
  });
}

function contents(fixture: NamespacesFixture): [ContentStore, ContentStore] {
  return [fixture.services('one').content, fixture.services('two').content];
}

function missing(promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, (error) => is(error, 'not-found'));
}

function isThere(promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, (error) => is(error, 'already-exists'));
}
