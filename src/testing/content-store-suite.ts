import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { writeBlob } from '../content/copy.ts';
import type { ContentStore, Info, Status, Writer } from '../content/store.ts';
import { DrayError, type ErrorKind, type ErrorReason } from '../errors.ts';
import { describe as describeBytes } from '../spec/descriptor.ts';
import { algorithms, type Digest, digestOf, emptyDigest } from '../spec/digest.ts';
import { mediaTypes } from '../spec/media-types.ts';
import { randomBytes } from './random.ts';

/** An empty store for one test. */
export interface StoreFixture extends AsyncDisposable {
  readonly store: ContentStore;
}

/** What a store may do differently and still be one. */
export interface ContentStoreSuiteOptions {
  /** Algorithms a commit may ask for; all that dray has if not said. */
  readonly algorithms?: readonly (typeof algorithms)[number][] | undefined;
  /** Whether an ingest can be cut to a size other than 0; yes if not said. */
  readonly partialTruncate?: boolean | undefined;
  /** Whether an open reader goes on with a blob that is deleted; yes if not said. */
  readonly keepsForReaders?: boolean | undefined;
}

/**
 * The contract of a content store as tests for node's runner: every store that dray has passes it, and one of your own has
 * to. `factory` gives a fresh, empty store each time.
 */
export function contentStoreSuite(
  name: string,
  factory: () => Promise<StoreFixture>,
  options: ContentStoreSuiteOptions = {},
): void {
  const check = (title: string, body: (store: ContentStore) => Promise<void>): void => {
    it(title, async () => {
      await using fixture = await factory();
      await body(fixture.store);
    });
  };
  describe(`content store: ${name}`, () => {
    describe('ingest', () => ingestCases(check));
    describe('commit', () => commitCases(check, options.algorithms ?? algorithms));
    describe('resume', () => resumeCases(check, options.partialTruncate ?? true));
    describe('reading', () => readingCases(check, options.keepsForReaders ?? true));
    describe('labels', () => labelCases(check));
    describe('looking after', () => managementCases(check));
  });
}

type Check = (title: string, body: (store: ContentStore) => Promise<void>) => void;

function ingestCases(check: Check): void {
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

  check('an empty ref and a malformed digest are refused', async (store) => {
    await fails(store.writer({ ref: '' }), 'invalid-argument');
    for (const digest of malformedDigests)
      await fails(store.writer({ ref: 'bad', target: { digest } }), 'invalid-argument');
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

function commitCases(check: Check, supported: readonly (typeof algorithms)[number][]): void {
  check('a committed ingest is a blob, with its size, labels and times', async (store) => {
    const bytes = randomBytes(5000, 'commit');
    const before = Date.now();
    const info = await put(store, 'c', bytes, { labels: { a: '1', 'containerd.io/gc.root': 'x' } });
    assert.equal(info.digest, digestOf(bytes));
    assert.equal(info.size, 5000);
    assert.deepEqual({ ...(await store.info(info.digest)).labels }, { a: '1', 'containerd.io/gc.root': 'x' });
    const found = await store.info(info.digest);
    assert.equal(found.size, 5000);
    assertAround(found.createdAt.milliseconds, before);
    assertAround(found.updatedAt.milliseconds, before);
    assert.deepEqual(await refs(store), []);
    await fails(store.status('c'), 'not-found');
  });

  for (const size of [0, 1, 2, 65_536, 3_000_001]) {
    check(`a blob of ${size} bytes comes back as it went in`, async (store) => {
      const bytes = randomBytes(size, `size ${size}`);
      const { digest } = await put(store, 'sized', bytes, { size, digest: digestOf(bytes) });
      assert.deepEqual(await readAll(store, digest), Buffer.from(bytes));
    });
  }

  for (const algorithm of supported) {
    check(`${algorithm} names a blob, announced or only at the commit`, async (store) => {
      const first = randomBytes(1000, `${algorithm} announced`);
      const digest = digestOf(first, algorithm);
      await using writer = await store.writer({ ref: algorithm, target: { digest, size: 1000 } });
      await writer.write(first);
      assert.equal((await writer.commit({ digest })).digest, digest);
      const second = randomBytes(1000, `${algorithm} late`);
      const late = digestOf(second, algorithm);
      assert.equal((await put(store, `${algorithm}2`, second, { digest: late })).digest, late);
      assert.deepEqual(await readAll(store, late), Buffer.from(second));
    });
  }

  check('a blob that is there is not ingested again', async (store) => {
    const bytes = Buffer.from('twice');
    const { digest } = await put(store, 'first', bytes);
    await fails(store.writer({ ref: 'second', target: { digest, size: 5 } }), 'already-exists');
    await fails(store.writer({ ref: 'second', target: { digest } }), 'already-exists');
    await fails(put(store, 'third', bytes, { size: 5, digest }), 'already-exists');
    await fails(put(store, 'fourth', bytes), 'already-exists');
    assert.deepEqual(await refs(store), []);
  });

  check('a wrong digest or size keeps the ingest, and the right ones then commit it', async (store) => {
    const bytes = Buffer.from('kept for another try');
    await fails(
      put(store, 'try', bytes, { digest: digestOf('something else') }),
      'failed-precondition',
      'digest-mismatch',
    );
    const reopened = await store.writer({ ref: 'try' });
    assert.equal((await reopened.status()).offset, bytes.byteLength);
    await fails(reopened.commit({ size: 3 }), 'failed-precondition', 'size-mismatch');
    await fails(store.info(digestOf(bytes)), 'not-found');
    const last = await store.writer({ ref: 'try' });
    assert.equal((await last.commit({ size: bytes.byteLength, digest: digestOf(bytes) })).size, bytes.byteLength);
    await using fresh = await store.writer({ ref: 'try' });
    assert.equal((await fresh.status()).offset, 0);
  });

  check('a commit closes its writer, whatever comes of it', async (store) => {
    for (const expected of [{}, { digest: digestOf('no') }]) {
      const writer = await store.writer({ ref: 'closing' });
      await writer.write(Buffer.from(`bytes ${Object.keys(expected).length}`));
      await writer.commit(expected).catch(() => {});
      await fails(writer.write(Buffer.from('more')), 'failed-precondition');
      const next = await store.writer({ ref: 'closing' });
      await next[Symbol.asyncDispose]();
    }
  });

  check('labels over the limit are refused and nothing is committed', async (store) => {
    const labels = { key: 'x'.repeat(4094) };
    await fails(put(store, 'fat', Buffer.from('fat'), { labels }), 'invalid-argument');
    await fails(store.info(digestOf('fat')), 'not-found');
    await using writer = await store.writer({ ref: 'fat' });
    assert.equal((await writer.status()).offset, 3);
  });

  check('many writers at once do not disturb each other', async (store) => {
    const blobs = Array.from({ length: 12 }, (_, index) => randomBytes(20_000 + index, `parallel ${index}`));
    await Promise.all(blobs.map((bytes, index) => put(store, `p${index}`, bytes, { digest: digestOf(bytes) })));
    for (const bytes of blobs) assert.deepEqual(await readAll(store, digestOf(bytes)), Buffer.from(bytes));
  });

  check('several callers that bring the same blob cost one transfer', async (store) => {
    const bytes = randomBytes(50_000, 'shared');
    const target = describeBytes(mediaTypes.octetStream, bytes);
    let opened = 0;
    const open = async function* (offset = 0): AsyncGenerator<Uint8Array> {
      opened += 1;
      yield bytes.subarray(offset);
    };
    const outcomes = await Promise.all([1, 2, 3].map(() => writeBlob(store, 'same', target, open)));
    assert.deepEqual([...outcomes].sort(), ['exists', 'exists', 'pushed']);
    assert.equal(opened, 1);
  });
}

function resumeCases(check: Check, partialTruncate: boolean): void {
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

function readingCases(check: Check, keepsForReaders: boolean): void {
  check('any range can be read, as a stream and at random', async (store) => {
    const bytes = randomBytes(3_000_000, 'ranges');
    const { digest } = await put(store, 'ranges', bytes);
    await using reader = await store.reader({ digest, size: bytes.byteLength });
    assert.equal(reader.size, bytes.byteLength);
    for (const [offset, length] of [
      [0, 1],
      [2_999_999, 1],
      [1_048_575, 2],
      [5, 2_500_000],
      [3_000_000, 5],
      [0, 0],
    ] as const) {
      const expected = Buffer.from(bytes.subarray(offset, offset + length));
      assert.deepEqual(await joined(reader.stream({ offset, length })), expected);
      const buffer = Buffer.alloc(length);
      assert.equal(await reader.read(buffer, offset), expected.byteLength);
      assert.deepEqual(buffer.subarray(0, expected.byteLength), expected);
    }
    assert.deepEqual(await joined(reader.stream({ offset: 2_000_000 })), Buffer.from(bytes.subarray(2_000_000)));
    assert.deepEqual(await joined(reader.stream()), Buffer.from(bytes));
  });

  check('a read near the end gives what is there, one at the end nothing', async (store) => {
    const { digest } = await put(store, 'small', Buffer.from('foobar'));
    const reader = await store.reader({ digest });
    const buffer = Buffer.alloc(7);
    assert.equal(await reader.read(buffer, 0), 6);
    assert.equal(await reader.read(buffer, 4), 2);
    assert.equal(await reader.read(buffer, 6), 0);
    await reader[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
  });

  check('a range beyond the end is an error', async (store) => {
    const { digest } = await put(store, 'small', Buffer.from('foobar'));
    await using reader = await store.reader({ digest });
    for (const offset of [7, -1, 0.5]) await fails(joined(streamFrom(reader, offset)), 'out-of-range');
  });

  check('what is not there, malformed or of another size is told apart', async (store) => {
    const { digest } = await put(store, 'there', Buffer.from('there'));
    await fails(store.reader({ digest: digestOf('absent') }), 'not-found');
    await fails(store.reader({ digest, size: 99 }), 'data-loss', 'size-mismatch');
    for (const malformed of malformedDigests) {
      await fails(store.reader({ digest: malformed }), 'invalid-argument');
      await fails(store.info(malformed), 'invalid-argument');
      await fails(store.delete(malformed), 'invalid-argument');
    }
  });

  if (keepsForReaders) {
    check('an open reader keeps a blob that is deleted', async (store) => {
      const { digest } = await put(store, 'kept', Buffer.from('kept'));
      await using reader = await store.reader({ digest });
      await store.delete(digest);
      await fails(store.reader({ digest }), 'not-found');
      assert.deepEqual(await joined(reader.stream()), Buffer.from('kept'));
    });
  }
}

function labelCases(check: Check): void {
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

function managementCases(check: Check): void {
  check('an empty store has nothing, and says so without an error', async (store) => {
    assert.deepEqual(await listed(store.walk()), []);
    assert.deepEqual(await listed(store.statuses()), []);
    await fails(store.delete(digestOf('absent')), 'not-found');
    await fails(store.abort('absent'), 'not-found');
    await fails(store.status('absent'), 'not-found');
    await fails(store.info(digestOf('absent')), 'not-found');
  });

  check('a walk gives every blob in the order of digests, and those that filters match', async (store) => {
    const infos: Info[] = [];
    for (let n = 0; n < 8; n += 1)
      infos.push(await put(store, 'w', Buffer.from(`w${n}`), { labels: { odd: n % 2 ? 'yes' : 'no', n: `${n}` } }));
    const all = (await listed(store.walk())).map((info) => info.digest);
    assert.deepEqual(all, infos.map((info) => info.digest).sort());
    assert.equal((await listed(store.walk('labels.odd==yes'))).length, 4);
    assert.equal((await listed(store.walk('labels.odd==yes,labels.n!=1'))).length, 3);
    assert.equal((await listed(store.walk('labels.n==0', 'labels.n~=^[67]$'))).length, 3);
    assert.deepEqual(
      (await listed(store.walk(`digest==${all[3]}`))).map((info) => info.digest),
      [all[3]],
    );
    assert.equal((await listed(store.walk('labels.absent'))).length, 0);
    await fails(listed(store.walk('digest=')), 'invalid-argument');
  });

  check('a walk may delete what it meets', async (store) => {
    for (let n = 0; n < 5; n += 1) await put(store, 'd', Buffer.from(`d${n}`));
    for await (const info of store.walk()) await store.delete(info.digest);
    assert.deepEqual(await listed(store.walk()), []);
  });

  check('statuses show every ingest, and those that filters match', async (store) => {
    await begin(store, 'layer-1', Buffer.from('abc'));
    await begin(store, 'layer-2', Buffer.from('abcd'), { digest: digestOf('x'), size: 9 });
    await using _open = await store.writer({ ref: 'upload' });
    assert.deepEqual(await refs(store), ['layer-1', 'layer-2', 'upload']);
    const [second] = await listed(store.statuses('ref==layer-2'));
    assert.equal(second?.offset, 4);
    assert.equal(second?.total, 9);
    assert.equal((await listed(store.statuses('ref~=^layer', 'ref==upload'))).length, 3);
    await fails(listed(store.statuses('^layer')), 'invalid-argument');
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

const malformedDigests = [
  'sha256:',
  'sha256:abc',
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'a'.repeat(63)}`,
  `sha256:${'a'.repeat(65)}`,
  `sha512:${'a'.repeat(64)}`,
  'sha256:../../../../etc/passwd',
  `sha256:${'a'.repeat(63)}/`,
  `md5:${'a'.repeat(32)}`,
  'a:b',
  '',
  `sha256:${'a'.repeat(63)}\0`,
  `../sha256:${'a'.repeat(64)}`,
  `__proto__:${'a'.repeat(64)}`,
] as Digest[];

async function put(
  store: ContentStore,
  ref: string,
  bytes: Uint8Array,
  expected: { size?: number; digest?: Digest; labels?: Record<string, string> } = {},
): Promise<Info> {
  await using writer = await store.writer({ ref });
  await writer.write(bytes);
  return await writer.commit(expected);
}

async function begin(
  store: ContentStore,
  ref: string,
  bytes: Uint8Array,
  target?: { digest: Digest; size: number },
): Promise<Status> {
  await using writer: Writer = await store.writer({ ref, target });
  if (bytes.byteLength > 0) await writer.write(bytes);
  return await writer.status();
}

async function readAll(store: ContentStore, digest: Digest): Promise<Buffer> {
  await using reader = await store.reader({ digest });
  return await joined(reader.stream());
}

async function joined(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await listed(stream));
}

async function* streamFrom(
  reader: { stream(options: { offset: number }): AsyncIterable<Uint8Array> },
  offset: number,
): AsyncGenerator<Uint8Array> {
  yield* reader.stream({ offset });
}

async function listed<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function refs(store: ContentStore): Promise<string[]> {
  return (await listed(store.statuses())).map((status) => status.ref).sort();
}

async function fails(promise: Promise<unknown>, kind: ErrorKind, reason?: ErrorReason): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof DrayError, `not a DrayError: ${String(error)}`);
    assert.equal(error.kind, kind, error.message);
    if (reason !== undefined) assert.equal(error.reason, reason, error.message);
    return true;
  });
}

function assertAround(milliseconds: number, before: number): void {
  assert.ok(
    milliseconds >= before - 1 && milliseconds <= Date.now() + 1,
    `${milliseconds} is not between ${before} and now`,
  );
}
