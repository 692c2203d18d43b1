import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { relative } from 'node:path';
import { describe, it } from 'node:test';
import { is } from '../../src/errors.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { put, type TemporaryStore, temporaryStore } from './support.ts';

const elsewhere = process.platform !== 'linux' && 'what is flushed can be seen on Linux only';

/** What is flushed while `run` runs, in order, by path below the store's root. */
async function flushed(fixture: TemporaryStore, run: () => Promise<unknown>): Promise<string[]> {
  const handle = await open('/dev/null');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { sync } = prototype;
  const paths: string[] = [];
  prototype.sync = async function (this: FileHandle) {
    const path = readlinkSync(`/proc/self/fd/${this.fd}`);
    await sync.call(this);
    paths.push(relative(fixture.root, path).replace(/[0-9a-f]{64}/, 'HEX'));
  };
  try {
    await run();
    return paths;
  } finally {
    prototype.sync = sync;
  }
}

const unflushed = (error: unknown): boolean => is(error, 'data-loss') && /cannot be flushed: EIO/.test(error.message);

describe('what a store promises', { skip: elsewhere }, () => {
  it('a commit flushes the data, then the directory, then the database, and only then answers', async () => {
    await using fixture = await temporaryStore();
    await put(fixture.services.content, 'first', 'makes the directories');
    const paths = await flushed(fixture, () => put(fixture.services.content, 'r', 'blob'));
    assert.deepEqual(paths, ['content/ingest/HEX/data', 'content/blobs/sha256', 'metadata.db-wal']);
  });

  it('an adopted blob is flushed into its directory before it has an entry', async () => {
    await using fixture = await temporaryStore();
    const { digest } = await put(fixture.services.content, 'r', 'blob');
    const { content } = fixture.store.services('other');
    const paths = await flushed(fixture, async () => {
      await using writer = await content.writer({ ref: 'r', target: { digest, size: 4 } });
      await writer.commit();
    });
    assert.deepEqual(paths, ['content/blobs/sha256', 'metadata.db-wal']);
  });

  it('names and labels are flushed, and what is asked for at once shares a flush', async () => {
    await using fixture = await temporaryStore();
    const { images } = fixture.services;
    const { digest } = await put(fixture.services.content, 'r', 'blob');
    const target = { mediaType: mediaTypes.ociManifest, digest, size: 4 };
    const one = await flushed(fixture, () => images.create({ name: 'app', target }));
    assert.deepEqual(one, ['metadata.db-wal']);
    const many = await flushed(fixture, () =>
      Promise.all(Array.from({ length: 100 }, (_, n) => images.create({ name: `app ${n}`, target }))),
    );
    assert.ok(many.length <= 2, `${many.length} flushes`);
  });

  it('who only reads flushes nothing; the first change flushes the entry of the database too', async () => {
    await using fixture = await temporaryStore();
    const paths = await flushed(fixture, async () => {
      await using store = await openStore({ root: fixture.root });
      assert.deepEqual(await Array.fromAsync(store.services('default').images.list()), []);
    });
    assert.deepEqual(paths, []);
    const changed = await flushed(fixture, () => fixture.store.namespaces.create({ name: 'new' }));
    assert.deepEqual(changed.sort(), ['', 'metadata.db-wal']);
  });

  it('a lease that means nothing without its process is not waited for, and what comes next covers it', async () => {
    await using fixture = await temporaryStore();
    const { content, leases } = fixture.services;
    await put(content, 'first', 'makes the directories');
    const made = await flushed(fixture, () => leases.create({ id: 'process' }, { durable: false }));
    assert.deepEqual(made, []);
    const paths = await flushed(fixture, () => put(content, 'r', 'blob', { lease: 'process' }));
    assert.equal(paths.at(-1), 'metadata.db-wal');
    assert.deepEqual(await flushed(fixture, () => leases.delete('process', { durable: false })), []);
    assert.deepEqual(await flushed(fixture, () => leases.create({ id: 'asked for' })), ['metadata.db-wal']);
  });

  it('nothing is flushed without durability', async () => {
    await using fixture = await temporaryStore({ durability: 'none' });
    assert.deepEqual(await flushed(fixture, () => put(fixture.services.content, 'r', 'blob')), []);
  });

  it('a flush that fails is told, and nothing is promised after it', async () => {
    await using fixture = await temporaryStore();
    const { images } = fixture.services;
    const { digest } = await put(fixture.services.content, 'r', 'blob');
    const target = { mediaType: mediaTypes.ociManifest, digest, size: 4 };
    const handle = await open('/dev/null');
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    const { sync } = prototype;
    prototype.sync = () => Promise.reject(Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' }));
    try {
      await assert.rejects(images.create({ name: 'lost', target }), unflushed);
    } finally {
      prototype.sync = sync;
    }
    await assert.rejects(images.create({ name: 'after', target }), unflushed);
  });
});
