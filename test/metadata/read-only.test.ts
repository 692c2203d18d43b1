import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { doctor } from '../../src/metadata/doctor.ts';
import { openStore, type Store } from '../../src/metadata/open-store.ts';
import type { Digest } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { mountReadOnly, unlessMounting } from '../support/mounts.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';
import { put, readAll } from './support.ts';

const refused = { kind: 'permission-denied', message: /mounted read-only/ };

/** A store that is still open, with an image in it. */
async function filled(directory: TemporaryDirectory): Promise<{ store: Store; digest: Digest }> {
  const store = await openStore({ root: directory.join('store') });
  const { content, images } = store.services('default');
  const { digest, size } = await put(content, 'ref', 'bytes');
  await put(content, 'other', 'nobody needs this');
  await images.create({ name: 'image', target: { digest, size, mediaType: mediaTypes.ociManifest } });
  return { store, digest };
}

/** The same, closed, and opened where nobody can change it. */
async function viewed(directory: TemporaryDirectory): Promise<AsyncDisposable & { store: Store; digest: Digest }> {
  const { store: written, digest } = await filled(directory);
  await written[Symbol.asyncDispose]();
  await using undo = new AsyncDisposableStack();
  undo.use(await mountReadOnly(written.root, directory.join('view')));
  const store = undo.use(await openStore({ root: directory.join('view') }));
  const parts = undo.move();
  return { store, digest, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(items);
}

describe('a store on a file system that is mounted read-only', { skip: unlessMounting }, () => {
  it('can be listed, read, asked why it keeps something, and looked over', async () => {
    await using directory = await temporaryDirectory();
    await using view = await viewed(directory);
    const { store, digest } = view;
    const { content, images, leases } = store.services('default');
    assert.equal(store.readOnly, true);
    assert.deepEqual(
      (await all(images.list())).map(({ name }) => name),
      ['image'],
    );
    assert.equal((await readAll(content, digest)).toString(), 'bytes');
    assert.deepEqual([await all(content.statuses()), await all(leases.list())], [[], []]);
    assert.equal((await store.usage('default', 'image')).bytes, 5);
    assert.deepEqual(
      (await all(store.explain(digest))).map(([{ id } = { id: '' }]) => id),
      ['image'],
    );
    assert.equal((await store.collect({ dryRun: true })).content, 1);
    assert.deepEqual(await all(doctor({ root: store.root, verify: true })), []);
    await store.backup(directory.join('backup.db'));
  });

  it('refuses every change and says why', async () => {
    await using directory = await temporaryDirectory();
    await using view = await viewed(directory);
    const { store, digest } = view;
    const { content, images, leases } = store.services('default');
    await assert.rejects(content.writer({ ref: 'new' }), refused);
    await assert.rejects(content.update({ digest, labels: { a: 'b' } }), refused);
    await assert.rejects(content.delete(digest), refused);
    await assert.rejects(images.delete('image'), refused);
    await assert.rejects(leases.create(), refused);
    await assert.rejects(store.collect(), refused);
    await using local = new LocalStore(directory.join('view', 'content'));
    await assert.rejects(local.writer({ ref: 'new' }), refused);
  });

  it('has what was committed last, also when it was copied while somebody had it open', async () => {
    await using directory = await temporaryDirectory();
    const { store: written, digest } = await filled(directory);
    await cp(written.root, directory.join('copy'), { recursive: true });
    await written[Symbol.asyncDispose]();
    await using _mount = await mountReadOnly(directory.join('copy'), directory.join('view'));
    await using store = await openStore({ root: directory.join('view') });
    const { content, images } = store.services('default');
    assert.equal((await images.get('image')).target.digest, digest);
    assert.equal((await readAll(content, digest)).toString(), 'bytes');
  });

  it('is no store when there is none', async () => {
    await using directory = await temporaryDirectory();
    await using empty = await temporaryDirectory();
    await using _mount = await mountReadOnly(empty.path, directory.join('view'));
    await assert.rejects(openStore({ root: directory.join('view') }), { kind: 'permission-denied' });
    await assert.rejects(openStore({ root: directory.join('view', 'below') }), { kind: 'permission-denied' });
  });
});
