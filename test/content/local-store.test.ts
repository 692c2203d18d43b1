import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import promises, {
  chmod,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { streamOf } from '../../src/content/bytes.ts';
import { ingest, writeBlob } from '../../src/content/copy.ts';
import { LocalStore } from '../../src/content/local/local-store.ts';
import type { Info } from '../../src/content/store.ts';
import { is } from '../../src/errors.ts';
import { describe as describeBytes } from '../../src/spec/descriptor.ts';
import { digestOf, encodedOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { Timestamp } from '../../src/spec/timestamp.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { mountSmall, unlessMounting } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary.ts';

async function opened(): Promise<{ root: string; store: LocalStore } & AsyncDisposable> {
  const directory = await temporaryDirectory();
  const root = directory.join('content');
  const store = new LocalStore(root);
  return {
    root,
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const keyOf = (ref: string): string => createHash('sha256').update(ref).digest('hex');

async function put(store: LocalStore, bytes: Uint8Array): Promise<Info> {
  await using writer = await store.writer({ ref: 'put' });
  await writer.write(bytes);
  return await writer.commit();
}

describe('local store on disk', () => {
  it('keeps blobs and ingests where containerd keeps them', async () => {
    await using fixture = await opened();
    const { root, store } = fixture;
    const { digest } = await put(store, Buffer.from('hello'));
    assert.equal(await readFile(join(root, 'blobs', 'sha256', encodedOf(digest)), 'utf8'), 'hello');
    await using writer = await store.writer({ ref: 'my/ref:1', target: { digest: digestOf('later'), size: 120_000 } });
    await writer.write(Buffer.from('half'));
    const ingest = join(root, 'ingest', keyOf('my/ref:1'));
    assert.deepEqual((await readdir(ingest)).sort(), ['data', 'ref', 'startedat', 'total', 'updatedat']);
    assert.equal(await readFile(join(ingest, 'ref'), 'utf8'), 'my/ref:1');
    assert.equal(await readFile(join(ingest, 'total'), 'utf8'), '120000');
    assert.equal(await readFile(join(ingest, 'data'), 'utf8'), 'half');
    assert.match(await readFile(join(ingest, 'startedat'), 'utf8'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
  });

  it('keeps a small ingest there when it is closed or grows, and says before that it is there', async () => {
    await using fixture = await opened();
    const { root, store } = fixture;
    const directory = join(root, 'ingest', keyOf('small'));
    const target = { digest: digestOf('hello world'), size: 11 };
    await using first = await store.writer({ ref: 'small', target });
    await first.write(Buffer.from('hello '));
    assert.equal((await store.status('small')).offset, 6);
    assert.equal((await Array.fromAsync(store.statuses()))[0]?.active, true);
    await assert.rejects(store.writer({ ref: 'small', target }), { reason: 'locked' });
    const before = await first.status();
    await first[Symbol.asyncDispose]();
    assert.equal(await readFile(join(directory, 'data'), 'utf8'), 'hello ');
    // As it was, but for what a double loses of a time.
    const { startedAt, updatedAt } = await store.status('small');
    assert.equal(startedAt.nanoseconds, before.startedAt.nanoseconds);
    assert.ok(updatedAt.nanoseconds - before.updatedAt.nanoseconds < 1000n);
    await using second = await store.writer({ ref: 'small', target });
    await second.write(Buffer.from('world'));
    assert.equal((await second.commit(target)).size, 11);
    assert.deepEqual(await readdir(join(root, 'ingest')), []);

    const other = { digest: digestOf('hello moon'), size: 10 };
    await using growing = await store.writer({ ref: 'growing', target: other });
    await growing.write(Buffer.from('hello '));
    await growing.write(Buffer.from('everybody'));
    assert.equal(await readFile(join(root, 'ingest', keyOf('growing'), 'data'), 'utf8'), 'hello everybody');
    await assert.rejects(growing.commit(other), { reason: 'size-mismatch' });
    assert.equal((await store.status('growing')).offset, 15);
    assert.deepEqual(await readdir(join(root, 'trash')), []);
  });

  it('goes on with an ingest that containerd left', async () => {
    await using fixture = await opened();
    const { root, store } = fixture;
    const ingest = join(root, 'ingest', keyOf('layer-x'));
    await mkdir(ingest, { recursive: true });
    await writeFile(join(ingest, 'ref'), 'layer-x');
    await writeFile(join(ingest, 'data'), 'hello ');
    await writeFile(join(ingest, 'startedat'), '2026-11-20T23:00:30.52702584Z');
    await writeFile(join(ingest, 'updatedat'), '2026-11-20T23:00:31+01:00');
    await writeFile(join(ingest, 'total'), '11');
    const status = await store.status('layer-x');
    assert.equal(status.offset, 6);
    assert.equal(status.total, 11);
    assert.equal(status.active, false);
    assert.equal(status.startedAt.toString(), '2026-11-20T23:00:30.52702584Z');
    await using writer = await store.writer({ ref: 'layer-x' });
    await writer.write(Buffer.from('world'));
    assert.equal((await writer.commit()).digest, digestOf('hello world'));
  });

  it('goes on with an ingest whose data is read-only already, as a writer leaves it that is killed in its commit', async () => {
    await using fixture = await opened();
    const { root, store } = fixture;
    const data = join(root, 'ingest', keyOf('r'), 'data');
    const writable = async (): Promise<boolean> => ((await stat(data)).mode & 0o200) !== 0;
    for (const size of [undefined, 120_000, 130_000]) {
      const target = size === undefined ? undefined : { digest: digestOf('later'), size };
      await using writer = await store.writer({ ref: 'r', target });
      // Whoever may write to everything, as root may, does not notice: so the mode is looked at.
      assert.ok(await writable());
      await writer.write(Buffer.from('more'));
      await writer[Symbol.asyncDispose]();
      await chmod(data, 0o444);
    }
  });

  it('takes an ingest over though what shows that its owner is dead cannot be removed', async () => {
    await using fixture = await opened();
    const { root, store } = fixture;
    await put(store, Buffer.from('first'));
    // Of a dead owner, in the way of whoever removes it.
    await mkdir(join(root, 'owners', 'dead.lock', 'in the way'), { recursive: true });
    await utimes(join(root, 'owners', 'dead.lock'), 1000, 1000);
    using database = new DatabaseSync(join(root, 'state.db'));
    database.prepare('INSERT INTO ingest_owner VALUES (?, ?, 0)').run(keyOf('r'), 'dead');
    assert.equal(await store.status('r').catch((error) => is(error, 'not-found')), true);
    await using other = new LocalStore(root);
    await using writer = await other.writer({ ref: 'r' });
    await writer.write(Buffer.from('second'));
    assert.equal((await writer.commit()).digest, digestOf('second'));
  });

  it('a commit that cannot remove what is left of its ingest is none that failed', async (t) => {
    await using fixture = await opened();
    const { root, store } = fixture;
    await using writer = await store.writer({ ref: 'r' });
    await writer.write(Buffer.from('bytes'));
    const busy = Object.assign(new Error('EBUSY: resource busy or locked, rmdir'), { code: 'EBUSY' });
    const { rm: remove } = promises;
    t.after(syncBuiltinESMExports);
    t.mock.method(promises, 'rm', () => Promise.reject(busy));
    syncBuiltinESMExports();
    assert.equal((await writer.commit()).digest, digestOf('bytes'));
    assert.deepEqual(await readdir(join(root, 'ingest')), []);
    assert.equal((await readdir(join(root, 'trash'))).length, 1);
    const later = new Timestamp(Timestamp.now().nanoseconds + 1_000_000_000n);
    await assert.rejects(store.ingests.removeDebris(later), busy);
    promises.rm = remove;
    syncBuiltinESMExports();
    await store.ingests.removeDebris(later);
    assert.deepEqual(await readdir(join(root, 'trash')), []);
  });

  it('creates nothing before the first write', async () => {
    await using fixture = await opened();
    for await (const _ of fixture.store.walk()) assert.fail('there is a blob');
    for await (const _ of fixture.store.statuses()) assert.fail('there is an ingest');
    await fails(fixture.store.info(digestOf('x')), 'not-found');
    await assert.rejects(stat(fixture.root), { code: 'ENOENT' });
  });

  it('lets nobody else in, whatever the umask', { skip: process.platform === 'win32' }, async () => {
    const before = process.umask(0);
    try {
      await using fixture = await opened();
      await put(fixture.store, Buffer.from('secret'));
      await using _writer = await fixture.store.writer({ ref: 'open' });
      for (const path of ['', 'blobs', 'ingest', 'owners']) {
        assert.equal((await stat(join(fixture.root, path))).mode & 0o077, 0, path);
      }
    } finally {
      process.umask(before);
    }
  });

  it('commits blobs that nobody can write', { skip: process.platform === 'win32' }, async () => {
    await using fixture = await opened();
    const { digest } = await put(fixture.store, Buffer.from('fixed'));
    assert.equal((await stat(join(fixture.root, 'blobs', 'sha256', encodedOf(digest)))).mode & 0o777, 0o444);
  });

  it('leaves nothing of an ingest behind', async () => {
    await using fixture = await opened();
    await put(fixture.store, Buffer.from('tidy'));
    assert.deepEqual(await readdir(join(fixture.root, 'ingest')), []);
    assert.deepEqual(await readdir(join(fixture.root, 'trash')), []);
  });
});

describe('faults of containerd that the local store does not have', () => {
  it('a longer ingest that is started over leaves no stale tail', async () => {
    await using fixture = await opened();
    const { store } = fixture;
    {
      await using writer = await store.writer({ ref: 'r', target: { digest: digestOf('0'), size: 100 } });
      await writer.write(Buffer.from('0123456789'));
    }
    await using writer = await store.writer({ ref: 'r', target: { digest: digestOf('abcd'), size: 4 } });
    await writer.write(Buffer.from('abcd'));
    const { digest, size } = await writer.commit();
    assert.deepEqual([digest, size], [digestOf('abcd'), 4]);
    assert.equal(await readFile(join(fixture.root, 'blobs', 'sha256', encodedOf(digest)), 'utf8'), 'abcd');
  });

  it('a stale total does not survive an ingest without one', async () => {
    await using fixture = await opened();
    const ingest = join(fixture.root, 'ingest', keyOf('r'));
    await mkdir(ingest, { recursive: true });
    await writeFile(join(ingest, 'total'), '999');
    await using writer = await fixture.store.writer({ ref: 'r' });
    assert.equal((await writer.status()).total, undefined);
    assert.equal((await fixture.store.status('r')).total, undefined);
  });

  it('a file that is shorter or longer than what was written is not committed', async () => {
    for (const size of [3, 50]) {
      await using fixture = await opened();
      const writer = await fixture.store.writer({ ref: 'r' });
      await writer.write(Buffer.from('0123456789'));
      await truncate(join(fixture.root, 'ingest', keyOf('r'), 'data'), size);
      await fails(writer.commit(), 'size-mismatch');
      await fails(fixture.store.info(digestOf('0123456789')), 'not-found');
    }
  });

  it('half-made ingests are passed over in the list and can be taken up again', async () => {
    await using fixture = await opened();
    const { root, store } = fixture;
    const broken = ['no data', 'no ref', 'no times', 'garbage times', 'empty'];
    for (const ref of broken) await mkdir(join(root, 'ingest', keyOf(ref)), { recursive: true });
    const at = (ref: string, file: string): string => join(root, 'ingest', keyOf(ref), file);
    await writeFile(at('no data', 'ref'), 'no data');
    await writeFile(at('no ref', 'data'), 'xxx');
    await writeFile(at('no times', 'ref'), 'no times');
    await writeFile(at('no times', 'data'), 'xxx');
    for (const file of ['startedat', 'updatedat']) await writeFile(at('garbage times', file), 'yesterday');
    await writeFile(at('garbage times', 'ref'), 'garbage times');
    await writeFile(at('garbage times', 'data'), 'xxx');
    await writeFile(join(root, 'ingest', 'a stray file'), '');
    {
      await using writer = await store.writer({ ref: 'good' });
      await writer.write(Buffer.from('good'));
    }
    const refs: string[] = [];
    for await (const status of store.statuses()) refs.push(status.ref);
    assert.deepEqual(refs, ['good']);
    for (const ref of broken) {
      await fails(store.status(ref), 'not-found');
      await using writer = await store.writer({ ref });
      assert.equal((await writer.status()).offset, 0);
      await writer.write(Buffer.from(ref));
      assert.equal((await writer.commit()).digest, digestOf(ref));
    }
  });

  it('an ingest that cannot be read just now is not begun anew', { skip: process.platform !== 'linux' }, async () => {
    await using fixture = await opened();
    {
      await using writer = await fixture.store.writer({ ref: 'kept' });
      await writer.write(Buffer.from('kept'));
    }
    const ref = join(fixture.root, 'ingest', keyOf('kept'), 'ref');
    await rm(ref);
    // Reading it fails as on a bad disk.
    await symlink('/proc/self/mem', ref);
    await fails(fixture.store.writer({ ref: 'kept' }), 'unavailable', /the disk failed/);
    await rm(ref);
    await writeFile(ref, 'kept');
    assert.equal((await fixture.store.status('kept')).offset, 4);
  });

  it('an ingest under the directory of another ref is not resumed', async () => {
    await using fixture = await opened();
    {
      await using writer = await fixture.store.writer({ ref: 'mine' });
      await writer.write(Buffer.from('mine'));
    }
    await writeFile(join(fixture.root, 'ingest', keyOf('mine'), 'ref'), 'yours');
    await using writer = await fixture.store.writer({ ref: 'mine' });
    assert.equal((await writer.status()).offset, 0);
  });

  it('a walk passes over what is no blob', async () => {
    await using fixture = await opened();
    const { digest } = await put(fixture.store, Buffer.from('real'));
    const blobs = join(fixture.root, 'blobs');
    await writeFile(join(blobs, 'sha256', 'junk.txt'), '');
    await writeFile(join(blobs, 'sha256', 'A'.repeat(64)), '');
    await mkdir(join(blobs, 'sha256', 'b'.repeat(64)));
    await mkdir(join(blobs, 'md5'));
    await writeFile(join(blobs, 'md5', 'a'.repeat(32)), '');
    const found: string[] = [];
    for await (const info of fixture.store.walk()) found.push(info.digest);
    assert.deepEqual(found, [digest]);
  });

  it('looking at a blob does not change when it was updated', async () => {
    await using fixture = await opened();
    const { digest } = await put(fixture.store, Buffer.from('looked at'));
    const { updatedAt } = await fixture.store.info(digest);
    await utimes(
      join(fixture.root, 'blobs', 'sha256', encodedOf(digest)),
      new Date(),
      (await fixture.store.info(digest)).createdAt.toDate(),
    );
    const after = await fixture.store.info(digest);
    assert.ok(after.updatedAt.nanoseconds <= updatedAt.nanoseconds);
  });

  it('a stream that comes once is not put behind what an attempt before it left', async () => {
    await using fixture = await opened();
    const { store } = fixture;
    const bytes = randomBytes(5000, 'once');
    const inTwo = async function* (fails: boolean): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 2000);
      if (fails) throw new Error('the source is gone');
      yield bytes.subarray(2000);
    };
    await assert.rejects(ingest(store, { ref: 'once' }, inTwo(true)), /the source is gone/);
    const { digest } = await ingest(store, { ref: 'once' }, inTwo(false));
    assert.equal(digest, digestOf(bytes));
  });

  it('an ingest of what is there already is no error, and gives it its labels', async () => {
    await using fixture = await opened();
    const { store } = fixture;
    const bytes = Buffer.from('there already');
    const target = { digest: digestOf(bytes), size: bytes.byteLength };
    const once = async (label: string, known?: typeof target): Promise<unknown> =>
      (await ingest(store, { ref: label, target: known, labels: { [label]: 'yes' } }, streamOf(bytes))).labels;
    assert.deepEqual(await once('a'), { a: 'yes' });
    assert.deepEqual(await once('b'), { a: 'yes', b: 'yes' });
    assert.deepEqual(await once('c', target), { a: 'yes', b: 'yes', c: 'yes' });
    assert.deepEqual(await Array.fromAsync(store.statuses()), []);
  });

  it('a blob that was cut short by a crash is healed by getting it again', async () => {
    await using fixture = await opened();
    const { store } = fixture;
    const bytes = randomBytes(5000, 'heal');
    const target = describeBytes(mediaTypes.octetStream, bytes);
    await put(store, bytes);
    const path = join(fixture.root, 'blobs', 'sha256', encodedOf(target.digest));
    await chmod(path, 0o644);
    await truncate(path, 100);
    await fails(store.reader(target), 'size-mismatch');
    const open = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes;
    };
    assert.equal(await writeBlob(store, 'again', target, open), 'pushed');
    await using reader = await store.reader(target);
    assert.equal(reader.size, 5000);
  });
});

describe('local store, reading', () => {
  it('notices any bit that has flipped on disk before the last byte is out', async () => {
    await using fixture = await opened();
    const bytes = randomBytes(2_500_000, 'flip');
    const { digest } = await put(fixture.store, bytes);
    const path = join(fixture.root, 'blobs', 'sha256', encodedOf(digest));
    await chmod(path, 0o644);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.byteLength - 1), fc.nat(7), async (at, bit) => {
        const rotten = Buffer.from(bytes);
        rotten[at] = (rotten[at] ?? 0) ^ (1 << bit);
        await writeFile(path, rotten);
        await using reader = await fixture.store.reader({ digest });
        let seen = 0;
        const reading = (async () => {
          for await (const chunk of reader.stream()) seen += chunk.byteLength;
        })();
        await fails(reading, 'data-loss', 'digest-mismatch');
        assert.ok(seen < bytes.byteLength);
      }),
      { numRuns: 10 },
    );
  });

  it('does not follow a link in the place of a blob', { skip: process.platform === 'win32' }, async () => {
    await using fixture = await opened();
    const { digest } = await put(fixture.store, Buffer.from('not a link'));
    const path = join(fixture.root, 'blobs', 'sha256', encodedOf(digest));
    await rm(path);
    await writeFile(join(fixture.root, 'elsewhere'), 'not a link');
    await symlink(join(fixture.root, 'elsewhere'), path);
    await fails(fixture.store.reader({ digest }), 'failed-precondition');
    assert.equal(await fixture.store.has({ digest, size: 10 }), false);
    await fails(fixture.store.info(digest), 'not-found');
    await put(fixture.store, Buffer.from('not a link'));
    await using reader = await fixture.store.reader({ digest });
    assert.equal(reader.size, 10);
  });
});

describe('local store, histories', () => {
  it('any sequence of writes, cuts, closings and commits gives what a plain buffer would', async () => {
    await using fixture = await opened();
    const { store } = fixture;
    let run = 0;
    const step = fc.oneof(
      fc.record({ do: fc.constant('write' as const), bytes: fc.uint8Array({ maxLength: 2000 }) }),
      fc.record({ do: fc.constant('cut' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ do: fc.constant('reopen' as const) }),
      fc.record({ do: fc.constant('fail' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        run += 1;
        const ref = `history ${run}`;
        let model = Buffer.from(`start of ${run} `);
        let writer = await store.writer({ ref });
        await writer.write(model);
        for (const one of steps) {
          if (one.do === 'write') {
            await writer.write(one.bytes);
            model = Buffer.concat([model, one.bytes]);
          } else if (one.do === 'cut') {
            const size = Math.floor(model.byteLength * one.part);
            await writer.truncate(size);
            model = model.subarray(0, size);
          } else {
            if (one.do === 'fail') await fails(writer.commit({ size: model.byteLength + 1 }), 'size-mismatch');
            await writer[Symbol.asyncDispose]();
            writer = await store.writer({ ref });
          }
          assert.equal((await writer.status()).offset, model.byteLength);
          assert.equal(await writer.digest(), digestOf(model));
        }
        await writer.write(Buffer.from(ref));
        const info = await writer.commit({ digest: digestOf(Buffer.concat([model, Buffer.from(ref)])) });
        assert.equal(info.size, model.byteLength + ref.length);
      }),
      { numRuns: 60 },
    );
  });
});

describe('local store on a full disk', () => {
  it('says so, and an ingest that has filled it can be gone on with and removed', {
    skip: unlessMounting,
  }, async () => {
    await using directory = await temporaryDirectory();
    const root = directory.join('small');
    await using _disk = await mountSmall(root, 4);
    await using store = new LocalStore(root);
    const chunk = randomBytes(1_000_000, 'chunk');
    const fill = async (): Promise<void> => {
      await using writer = await store.writer({ ref: 'large' });
      for (;;) await writer.write(chunk);
    };
    await assert.rejects(fill(), { reason: 'disk-full' });
    const { offset, active } = await store.status('large');
    assert.deepEqual([offset % chunk.byteLength, active], [0, false]);
    await assert.rejects(fill(), { reason: 'disk-full' });
    await store.abort('large');
    await using again = await store.writer({ ref: 'again' });
    await again.write(chunk);
    await again.commit();
  });
});
