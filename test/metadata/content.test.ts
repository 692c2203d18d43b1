import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { chmod, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { writeBlob } from '../../src/content/copy.ts';
import { because, is } from '../../src/errors.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import { describe as describeBytes } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { run, start } from '../support/processes.ts';
import { blobFile, put, readAll, temporaryStore } from './support.ts';

const program = join(import.meta.dirname, 'store-process.ts');

/** A source that counts the bytes it gave. */
function counted(bytes: Uint8Array): { open: (offset?: number) => AsyncIterable<Uint8Array>; moved: () => number } {
  let moved = 0;
  return {
    async *open(offset = 0) {
      moved += bytes.byteLength - offset;
      yield bytes.subarray(offset);
    },
    moved: () => moved,
  };
}

describe('content of a namespace', () => {
  it('heals a blob whose file is gone or cut when it is brought again', async () => {
    for (const damage of [(path: string) => rm(path), (path: string) => truncate(path, 100)]) {
      await using fixture = await temporaryStore();
      const { content } = fixture.services;
      const bytes = randomBytes(5000, 'heal');
      const target = describeBytes(mediaTypes.octetStream, bytes);
      const before = await put(content, 'first', bytes, { labels: { kept: 'yes' } });
      const path = blobFile(fixture.root, target.digest);
      await chmod(path, 0o600);
      await damage(path);
      await fails(content.reader(target), 'data-loss');
      const source = counted(bytes);
      assert.equal(await writeBlob(content, 'again', target, source.open), 'pushed');
      assert.equal(source.moved(), 5000);
      assert.deepEqual(await readAll(content, target.digest), Buffer.from(bytes));
      const after = await content.info(target.digest);
      assert.deepEqual({ ...after.labels }, { kept: 'yes' });
      assert.equal(after.createdAt.nanoseconds, before.createdAt.nanoseconds);
      await fails(content.writer({ ref: 'x', target }), 'already-exists');
    }
  });

  for (const sharing of ['shared', 'isolated'] as const) {
    it(`${sharing}: a blob that a crash left without its entry is adopted without a transfer`, async () => {
      await using fixture = await temporaryStore({ sharing });
      await using child = start(process.execPath, [program, 'die-before-entry', fixture.root]);
      await child.printed(/placed/);
      await child.kill('SIGKILL');
      const bytes = randomBytes(200_000, 'die-before-entry');
      const target = describeBytes(mediaTypes.octetStream, bytes);
      assert.equal((await stat(blobFile(fixture.root, target.digest))).size, 200_000);
      const { content } = fixture.services;
      await fails(content.info(target.digest), 'not-found');
      const source = counted(bytes);
      assert.equal(await writeBlob(content, 'layer', target, source.open), 'pushed');
      assert.equal(source.moved(), 0);
      assert.deepEqual(await readAll(content, target.digest), Buffer.from(bytes));
    });
  }

  it('is the same for every process, and each blob crosses once', async () => {
    await using fixture = await temporaryStore();
    const children = Array.from({ length: 4 }, () => start(process.execPath, [program, 'bring', fixture.root]));
    try {
      const outcomes = await Promise.all(children.map((child) => child.printed(/moved (\d+)/)));
      assert.equal(
        outcomes.reduce((sum, match) => sum + Number(match[1]), 0),
        20 * 50_000,
      );
    } finally {
      for (const child of children) await child.kill();
    }
    assert.equal((await Array.fromAsync(fixture.services.content.walk())).length, 20);
  });

  it('has a blob only for who says its size rightly, or not at all: otherwise the bytes decide', async () => {
    await using fixture = await temporaryStore();
    const { content } = fixture.services;
    const { digest } = await put(content, 'a', 'abc');
    for (const size of [undefined, 0, 3])
      await fails(content.writer({ ref: 'b', target: { digest, size } }), 'already-exists');
    const writer = await content.writer({ ref: 'b', target: { digest, size: 4 } });
    assert.equal((await writer.status()).offset, 0);
    await writer.write(Buffer.from('abc'));
    await fails(writer.commit({ digest }), 'already-exists');
  });

  it('expects of an ingest what its writer was told', async () => {
    await using fixture = await temporaryStore();
    const { content } = fixture.services;
    const digest = digestOf('later');
    await using writer = await content.writer({ ref: 'r', target: { digest, size: 5 } });
    assert.equal((await writer.status()).expected, digest);
    assert.equal((await content.status('r')).expected, digest);
  });

  it('many commits at once all arrive, and one that fails fails alone', async () => {
    await using fixture = await temporaryStore();
    const { content } = fixture.services;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) =>
        put(content, `r${n}`, `blob ${n}`, n % 10 === 3 ? { digest: digestOf('other') } : {}),
      ),
    );
    assert.equal(outcomes.filter((outcome) => outcome.status === 'rejected').length, 5);
    assert.equal((await Array.fromAsync(content.walk())).length, 45);
  });
});

describe('a store on disk', () => {
  it('is for its owner alone, whatever the umask', {
    skip: process.platform === 'win32' && 'no modes there',
  }, async () => {
    await using fixture = await temporaryStore();
    const { code, stderr } = await run(process.execPath, [program, 'umask', fixture.root]);
    assert.equal(code, 0, stderr);
    const names = await readdir(join(fixture.root, '..', 'open'), { recursive: true, withFileTypes: true });
    assert.ok(names.length > 10);
    for (const entry of names) {
      const { mode } = await stat(join(entry.parentPath, entry.name));
      const path = `${entry.parentPath}/${entry.name} ${(mode & 0o777).toString(8)}`;
      if (entry.isDirectory()) assert.equal(mode & 0o077, 0, path);
      else assert.equal(mode & 0o033, 0, path);
      if (entry.name.includes('.db')) assert.equal(mode & 0o077, 0, path);
    }
  });

  it('of a newer dray is left alone', async () => {
    await using fixture = await temporaryStore();
    await put(fixture.services.content, 'r', 'kept');
    await fixture.store.database.write((transaction) => {
      transaction.run('PRAGMA user_version = 999');
    });
    await fails(openStore({ root: fixture.root }), 'failed-precondition', /schema 999/);
  });

  it('that is damaged says so and changes nothing', async () => {
    await using fixture = await temporaryStore();
    await fixture.store[Symbol.asyncDispose]();
    const path = join(fixture.root, 'metadata.db');
    const rubbish = 'not a database, but long enough to be looked at '.repeat(50);
    await writeFile(path, rubbish);
    await fails(openStore({ root: fixture.root }), 'data-loss');
    assert.equal(`${Buffer.concat(await Array.fromAsync(createReadStream(path)))}`, rubbish);
  });

  it('on a full disk keeps what it has, says so, and goes on when there is room', async () => {
    await using fixture = await temporaryStore();
    const { content, images } = fixture.services;
    const target = { mediaType: mediaTypes.ociManifest, digest: digestOf('x'), size: 1 };
    const labels = { k: 'x'.repeat(3000) };
    await images.create({ name: 'first', target, labels });
    const { database } = fixture.store;
    const limit = (pages: number) =>
      database.write((transaction) => transaction.run(`PRAGMA max_page_count = ${pages}`));
    const used = database.get<{ page_count: bigint }>('PRAGMA page_count')?.page_count ?? 0n;
    await limit(Number(used) + 4);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => images.create({ name: `image ${n}`, target, labels })),
    );
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.ok(failed.length > 0);
    for (const { reason } of failed)
      assert.ok(is(reason, 'resource-exhausted') && because(reason, 'disk-full'), String(reason));
    await assert.rejects(
      async () => {
        for (let n = 0; n < 5; n += 1) await put(content, 'r', `blob ${n}`, { labels });
      },
      (error) => because(error, 'disk-full'),
    );
    assert.equal((await images.get('first')).name, 'first');
    await limit(1_000_000);
    assert.equal((await put(content, 'again', 'blob', { labels })).size, 4);
    assert.equal((await Array.fromAsync(images.list())).length, 21 - failed.length);
  });

  it('that was put in the place of an open one loses nothing to it', {
    skip: process.platform === 'win32',
  }, async () => {
    await using fixture = await temporaryStore({ durability: 'none' });
    const { root, services } = fixture;
    await put(services.content, 'old', 'old');
    await rm(root, { recursive: true });
    await using other = await openStore({ root, durability: 'none' });
    const { content } = other.services('default');
    const { digest } = await put(content, 'new', 'new');
    const replaced = (error: unknown): boolean =>
      is(error, 'failed-precondition') && /removed or replaced/.test(error.message);
    await assert.rejects(fixture.store.collect(), replaced);
    await assert.rejects(put(services.content, 'lost', 'lost'), replaced);
    assert.equal(`${await readAll(content, digest)}`, 'new');
    await other.collect({ ingestLifetime: 0 });
    assert.deepEqual(await readdir(join(root, 'content', 'ingest')), []);
  });

  it('closed is closed', async () => {
    await using fixture = await temporaryStore();
    const { content, images } = fixture.services;
    await fixture.store[Symbol.asyncDispose]();
    await fixture.store[Symbol.asyncDispose]();
    await fails(content.info(digestOf('x')), 'failed-precondition');
    await fails(images.delete('x'), 'failed-precondition');
  });

  it('of two processes that open a fresh root at once, both get it', async () => {
    await using fixture = await temporaryStore();
    const root = join(fixture.root, '..', 'fresh');
    const children = Array.from({ length: 4 }, () => run(process.execPath, [program, 'open', root]));
    for (const { code, stderr } of await Promise.all(children)) assert.equal(code, 0, stderr);
  });

  it('locked by others for long answers when they are done', async () => {
    await using fixture = await temporaryStore();
    await using child = start(process.execPath, [program, 'lock', fixture.root]);
    await child.printed(/locked/);
    const creating = fixture.services.images.create({
      name: 'a',
      target: { mediaType: mediaTypes.ociManifest, digest: digestOf('a'), size: 1 },
    });
    let done = false;
    void creating.then(() => {
      done = true;
    });
    // The process goes on meanwhile.
    for (let turns = 0; turns < 50; turns += 1) await turn();
    assert.equal(done, false);
    await child.kill('SIGKILL');
    assert.equal((await creating).name, 'a');
  });
});
