import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { doctor } from '../../src/metadata/doctor.ts';
import type { Finding } from '../../src/metadata/finding.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { start } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { blobFile, put, readAll, temporaryStore } from './support.ts';

/** What the doctor finds, as `problem subject`, and whether all of it was repaired. */
async function findings(root: string, options: { repair?: boolean; verify?: boolean } = {}): Promise<string[]> {
  const found: Finding[] = await Array.fromAsync(doctor({ root, ...options }));
  return found.map(({ problem, subject, repaired }) => `${problem} ${subject}${repaired ? ' (repaired)' : ''}`);
}

describe('doctor', () => {
  it('has nothing to say of a store that is well, while it is used', async () => {
    await using fixture = await temporaryStore();
    const { content, images } = fixture.services;
    const { digest } = await put(content, 'r', 'fine');
    await images.create({ name: 'app', target: { mediaType: mediaTypes.ociManifest, digest, size: 4 } });
    await using writer = await content.writer({ ref: 'open' });
    await writer.write(Buffer.from('half'));
    assert.deepEqual(await findings(fixture.root, { verify: true, repair: true }), []);
    assert.equal((await writer.commit()).digest, digestOf('half'));
  });

  it('finds lost and damaged blobs, and with repair nothing counts on them any more', async () => {
    await using fixture = await temporaryStore();
    const { content } = fixture.services;
    const [lost, cut, rotten] = [
      await put(content, '1', 'lost'),
      await put(content, '2', 'cut short'),
      await put(content, '3', 'rotten'),
    ];
    await put(fixture.store.services('other').content, '3', 'rotten');
    await rm(blobFile(fixture.root, lost.digest));
    for (const [info, bytes] of [
      [cut, 'cut'],
      [rotten, 'r0tten'],
    ] as const) {
      await chmod(blobFile(fixture.root, info.digest), 0o600);
      await writeFile(blobFile(fixture.root, info.digest), bytes);
    }
    const missing = [lost, cut].map((info) => `missing-blob ${info.digest}`).sort();
    assert.deepEqual((await findings(fixture.root)).sort(), missing);
    const all = [cut, rotten].map((info) => `damaged-blob ${info.digest}`).sort();
    assert.deepEqual((await findings(fixture.root, { verify: true })).sort(), [...all, ...missing].sort());
    await findings(fixture.root, { verify: true, repair: true });
    assert.deepEqual(await findings(fixture.root, { verify: true }), []);
    for (const info of [lost, cut, rotten]) await fails(content.info(info.digest), 'not-found');
    await put(content, 'again', 'rotten');
    assert.equal(`${await readAll(content, rotten.digest)}`, 'rotten');
  });

  it('finds images without their target', async () => {
    await using fixture = await temporaryStore();
    const target = { mediaType: mediaTypes.ociManifest, digest: digestOf('absent'), size: 6 };
    await fixture.services.images.create({ name: 'app', target });
    assert.deepEqual(await findings(fixture.root, { repair: true }), ['missing-target app']);
  });

  it('finds files without an entry, and repairs only its own', async () => {
    await using fixture = await temporaryStore();
    const { digest } = await put(fixture.services.content, 'r', 'dangling');
    await fixture.store.database.write((transaction) => transaction.run('DELETE FROM blob'));
    const old = blobFile(fixture.root, digestOf('from before'));
    await writeFile(old, 'from before');
    await utimes(old, 1000, 1000);
    const blobs = join(fixture.root, 'content', 'blobs');
    await writeFile(join(blobs, 'sha256', 'README'), 'hello');
    await mkdir(join(blobs, 'md5'));
    const foreign = [join(blobs, 'md5'), join(blobs, 'sha256', 'README'), digestOf('from before')];
    const expected = [...foreign.map((subject) => `foreign-file ${subject}`)].sort();
    assert.deepEqual((await findings(fixture.root)).sort(), [`dangling-file ${digest}`, ...expected].sort());
    assert.ok((await findings(fixture.root, { repair: true })).includes(`dangling-file ${digest} (repaired)`));
    assert.deepEqual((await findings(fixture.root)).sort(), expected);
    assert.ok(existsSync(old));
  });

  it('finds broken ingests, and removes none that somebody is making', async () => {
    await using fixture = await temporaryStore();
    await put(fixture.services.content, 'r', 'x', { labels: { 'containerd.io/gc.root': 'x' } });
    const half = digestOf('half made').slice(7);
    await mkdir(join(fixture.root, 'content', 'ingest', half), { recursive: true });
    assert.deepEqual(await findings(fixture.root), [`broken-ingest ${half}`]);
    assert.deepEqual(await findings(fixture.root, { repair: true }), [`broken-ingest ${half} (repaired)`]);
    assert.deepEqual(await findings(fixture.root), []);
  });

  it('takes no ingest for broken that is finished while it looks', async () => {
    await using fixture = await temporaryStore();
    await put(fixture.services.content, 'r', 'x', { labels: { 'containerd.io/gc.root': 'x' } });
    const first = '0'.repeat(64);
    await mkdir(join(fixture.root, 'content', 'ingest', first), { recursive: true });
    await using writer = await fixture.services.content.writer({ ref: 'finished meanwhile' });
    const found: string[] = [];
    for await (const { problem, subject } of doctor({ root: fixture.root })) {
      if (subject === first) await writer.commit({ labels: { 'containerd.io/gc.root': 'x' } });
      found.push(`${problem} ${subject}`);
    }
    assert.deepEqual(found, [`broken-ingest ${first}`]);
  });

  it('closes a store that is open to others', { skip: process.platform === 'win32' && 'no modes there' }, async () => {
    await using fixture = await temporaryStore();
    await put(fixture.services.content, 'r', 'x');
    const content = join(fixture.root, 'content');
    await chmod(content, 0o755);
    assert.deepEqual(await findings(fixture.root), [`exposed ${content}`]);
    await findings(fixture.root, { repair: true });
    assert.equal((await stat(content)).mode & 0o777, 0o700);
  });

  it('keeps what can be read of a damaged database, and blobs come back without a transfer', async () => {
    await using fixture = await temporaryStore();
    const { content, images } = fixture.services;
    const kept: string[] = [];
    for (let n = 0; n < 400; n += 1) kept.push((await put(content, 'r', `blob ${n}`)).digest);
    const digest = digestOf('blob 7');
    await images.create({ name: 'app', target: { mediaType: mediaTypes.ociManifest, digest, size: 6 } });
    await fixture.store[Symbol.asyncDispose]();
    const path = join(fixture.root, 'metadata.db');
    await damage(path);
    const before = await findings(fixture.root);
    assert.match(before.join(), /^damaged-database /);
    assert.match((await findings(fixture.root, { repair: true })).join(), /^damaged-database .* \(repaired\)/);
    assert.ok((await readdir(fixture.root)).some((name) => name.startsWith('metadata.db.damaged-')));
    assert.deepEqual(
      (await findings(fixture.root)).filter((finding) => !finding.startsWith('foreign-file')),
      [],
    );
    await using store = await openStore({ root: fixture.root });
    const services = store.services('default');
    assert.equal((await services.images.get('app')).target.digest, digest);
    const left = await Array.fromAsync(services.content.walk());
    assert.ok(left.length > 100 && left.length < 400, `${left.length} entries were kept`);
    assert.equal((await store.collect()).files, left.length - 1);
    const there = new Set<string>(left.map((info) => info.digest));
    const lost = kept.findIndex((one) => !there.has(one));
    const target = { digest: digestOf(`blob ${lost}`), size: `blob ${lost}`.length };
    await using writer = await services.content.writer({ ref: 'again', target });
    assert.equal((await writer.status()).offset, target.size);
    await writer.commit();
  });

  it('makes a new database where there is nothing to keep', async () => {
    await using fixture = await temporaryStore();
    await put(fixture.services.content, 'r', 'x');
    await fixture.store[Symbol.asyncDispose]();
    await writeFile(join(fixture.root, 'metadata.db'), 'rubbish '.repeat(1000));
    await findings(fixture.root, { repair: true });
    await using store = await openStore({ root: fixture.root });
    assert.equal((await store.collect()).files, 0);
    assert.ok(existsSync(blobFile(fixture.root, digestOf('x'))));
  });

  it('sets a damaged record of who writes which ingest aside, so that a store that could not be written to can', async () => {
    for (const damage of [
      (path: string) => writeFile(path, 'rubbish '.repeat(1000)),
      (path: string) => truncate(path, 5000),
    ]) {
      await using fixture = await temporaryStore();
      await put(fixture.services.content, 'r', 'x');
      await fixture.store[Symbol.asyncDispose]();
      const path = join(fixture.root, 'content', 'state.db');
      await damage(path);
      assert.deepEqual(await findings(fixture.root), [`damaged-database ${path}`]);
      assert.deepEqual(await findings(fixture.root, { repair: true }), [`damaged-database ${path} (repaired)`]);
      assert.deepEqual(await findings(fixture.root), []);
      await using store = await openStore({ root: fixture.root });
      await put(store.services('default').content, 'r', 'y');
    }
  });

  it('does not make a store where there is none', async () => {
    await using directory = await temporaryDirectory();
    await fails(findings(directory.join('none')), 'not-found');
    assert.deepEqual(await readdir(directory.path), []);
  });
});

/** Overwrites a page in the middle of the table of blobs. */
async function damage(path: string): Promise<void> {
  const database = new DatabaseSync(path);
  const [page] = database
    .prepare("SELECT pageno FROM dbstat WHERE name = 'blob' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 9")
    .all() as { pageno: number }[];
  database.close();
  assert.ok(page !== undefined);
  const handle = await open(path, 'r+');
  await handle.write(Buffer.alloc(4096, 0x5a), 0, 4096, (page.pageno - 1) * 4096);
  await handle.close();
}

describe('backup', () => {
  it('is the store as it was at one moment, while others write', async () => {
    await using fixture = await temporaryStore();
    const { content, images } = fixture.services;
    const program = join(import.meta.dirname, 'store-process.ts');
    await using writer = start(process.execPath, [program, 'write', fixture.root]);
    await writer.printed(/written 20/);
    const { digest } = await put(content, 'r', 'kept');
    await images.create({ name: 'app', target: { mediaType: mediaTypes.ociManifest, digest, size: 4 } });
    const path = join(fixture.root, '..', 'backup.db');
    await fixture.store.backup(path);
    await writer.kill();
    assert.deepEqual((await readdir(join(fixture.root, '..'))).sort(), ['backup.db', 'store']);
    if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o600);
    await images.delete('app');
    await fixture.store[Symbol.asyncDispose]();
    for (const suffix of ['', '-wal', '-shm']) await rm(join(fixture.root, `metadata.db${suffix}`), { force: true });
    await writeFile(join(fixture.root, 'metadata.db'), await readBack(path));
    await using restored = await openStore({ root: fixture.root });
    const services = restored.services('default');
    assert.equal((await services.images.get('app')).target.digest, digest);
    assert.equal(`${await readAll(services.content, digest)}`, 'kept');
    // Blobs of the writer that the backup does not know are dangling now, and the kill may have met it anywhere.
    const problems = new Set((await Array.fromAsync(doctor({ root: fixture.root }))).map((finding) => finding.problem));
    problems.delete('dangling-file');
    problems.delete('exposed');
    problems.delete('broken-ingest');
    assert.deepEqual([...problems], []);
  });

  it('does not overwrite anything', async () => {
    await using fixture = await temporaryStore();
    const path = join(fixture.root, '..', 'there');
    await writeFile(path, 'precious');
    await fails(fixture.store.backup(path), 'already-exists');
    await fails(fixture.store.backup(join(fixture.root, 'no', 'such', 'directory')), 'not-found');
    assert.equal(`${await readBack(path)}`, 'precious');
  });
});

async function readBack(path: string): Promise<Buffer> {
  const handle = await open(path);
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}
