import assert from 'node:assert/strict';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { is } from '../../src/errors.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { flushed, unlessSeen } from '../support/flushes.ts';
import { put, temporaryStore } from './support.ts';

const unflushed = (error: unknown): boolean => is(error, 'data-loss') && /cannot be flushed: EIO/.test(error.message);

describe('what a store promises', { skip: unlessSeen }, () => {
  it('a commit flushes the data, then the directory, then the database, and only then answers', async () => {
    await using fixture = await temporaryStore();
    await put(fixture.services.content, 'first', 'makes the directories');
    const paths = await flushed(fixture.root, () => put(fixture.services.content, 'r', 'blob'));
    assert.deepEqual(paths, ['content/ingest/HEX/data', 'content/blobs/sha256', 'metadata.db-wal']);
  });

  it('the first blob flushes the entries of all directories that it needs, also when others were written before', async () => {
    await using fixture = await temporaryStore();
    await fixture.store.namespaces.create({ name: 'earlier' });
    const paths = await flushed(fixture.root, () => put(fixture.services.content, 'r', 'blob'));
    assert.deepEqual(paths, [
      'content/ingest/HEX/data',
      'content',
      'content/blobs',
      '',
      'content/blobs/sha256',
      'metadata.db-wal',
    ]);
  });

  it('the database is flushed to the disk itself where that has to be asked for, as on macOS', async () => {
    await using fixture = await temporaryStore();
    const [row] = fixture.store.database.all<{ fullfsync: bigint }>('PRAGMA fullfsync');
    assert.equal(row?.fullfsync, 1n);
  });

  it('a backup is flushed with its entry', async () => {
    await using fixture = await temporaryStore();
    const paths = await flushed(fixture.root, () => fixture.store.backup(join(fixture.root, 'backup.db')));
    assert.deepEqual(paths, ['backup.db', '']);
  });

  it('an adopted blob is flushed into its directory before it has an entry', async () => {
    await using fixture = await temporaryStore();
    const { digest } = await put(fixture.services.content, 'r', 'blob');
    const { content } = fixture.store.services('other');
    const paths = await flushed(fixture.root, async () => {
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
    const one = await flushed(fixture.root, () => images.create({ name: 'app', target }));
    assert.deepEqual(one, ['metadata.db-wal']);
    const many = await flushed(fixture.root, () =>
      Promise.all(Array.from({ length: 100 }, (_, n) => images.create({ name: `app ${n}`, target }))),
    );
    assert.ok(many.length <= 2, `${many.length} flushes`);
  });

  it('who only reads flushes nothing; the first change flushes the entry of the database too', async () => {
    await using fixture = await temporaryStore();
    const paths = await flushed(fixture.root, async () => {
      await using store = await openStore({ root: fixture.root });
      assert.deepEqual(await Array.fromAsync(store.services('default').images.list()), []);
    });
    assert.deepEqual(paths, []);
    const changed = await flushed(fixture.root, () => fixture.store.namespaces.create({ name: 'new' }));
    assert.deepEqual(changed.sort(), ['', 'metadata.db-wal']);
  });

  it('a lease that means nothing without its process is not waited for, and what comes next covers it', async () => {
    await using fixture = await temporaryStore();
    const { content, leases } = fixture.services;
    await put(content, 'first', 'makes the directories');
    const made = await flushed(fixture.root, () => leases.create({ id: 'process' }, { durable: false }));
    assert.deepEqual(made, []);
    const paths = await flushed(fixture.root, () => put(content, 'r', 'blob', { lease: 'process' }));
    assert.equal(paths.at(-1), 'metadata.db-wal');
    assert.deepEqual(await flushed(fixture.root, () => leases.delete('process', { durable: false })), []);
    assert.deepEqual(await flushed(fixture.root, () => leases.create({ id: 'asked for' })), ['metadata.db-wal']);
  });

  it('nothing is flushed without durability', async () => {
    await using fixture = await temporaryStore({ durability: 'none' });
    assert.deepEqual(await flushed(fixture.root, () => put(fixture.services.content, 'r', 'blob')), []);
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
