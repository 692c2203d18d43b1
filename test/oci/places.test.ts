import assert from 'node:assert/strict';
import { type FileHandle, link, mkdir, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Place } from '../../src/client/place.ts';
import { fetcherOf, pusherOf } from '../../src/content/copy.ts';
import { LocalStore } from '../../src/content/local/local-store.ts';
import type { ContentStore } from '../../src/content/store.ts';
import type { DrayError } from '../../src/errors.ts';
import { transfer } from '../../src/images/transfer.ts';
import { ArchivePlace } from '../../src/oci/archive.ts';
import { saveArchive } from '../../src/oci/archive-file.ts';
import { entryOf } from '../../src/oci/archive-image.ts';
import { exportArchive } from '../../src/oci/export.ts';
import { exportLayout } from '../../src/oci/export-layout.ts';
import { importArchive } from '../../src/oci/import.ts';
import { LayoutPlace } from '../../src/oci/layout.ts';
import { withLock } from '../../src/oci/layout-lock.ts';
import { LayoutWriter } from '../../src/oci/layout-writer.ts';
import { parsePlace } from '../../src/oci/place.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { flushed, unlessSeen } from '../support/flushes.ts';
import { start, succeed } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { blobsIn, fails, named, namesIn, putBlobs } from './images.ts';
import { inChunks, tarOf } from './tar-builder.ts';

const image = randomImage({ seed: 'place', layers: [3000, 200_000] });
const other = randomImage({ seed: 'another' });
const multi = randomImage({ seed: 'multi', platforms: ['linux/amd64', 'linux/arm64'] });
const all = [...image.blobs, ...other.blobs, ...multi.blobs];
const child = join(import.meta.dirname, 'layout-child.ts');

async function stored(blobs = all): Promise<ContentStore> {
  const { content } = memoryServices();
  await putBlobs(content, blobs);
  return content;
}

/** Copies as a client does it. */
async function copyTo(
  place: LayoutPlace | ArchivePlace,
  root: Descriptor,
  select = (ones: readonly Descriptor[]) => ones,
) {
  await using target = await place.target();
  await transfer(fetcherOf(await stored()), target.pusher, [root], { select: (_, children) => select(children) });
  return await target.finish(root);
}

async function copyFrom(place: LayoutPlace | ArchivePlace): Promise<{ root: Descriptor; blobs: string[] }> {
  const services = memoryServices();
  await using source = await place.source();
  await transfer(source.fetcher, pusherOf(services.content), [source.root]);
  return { root: source.root, blobs: await blobsIn(services) };
}

function digests(blobs: readonly { descriptor: Descriptor }[]): string[] {
  return blobs.map(({ descriptor }) => descriptor.digest).sort();
}

async function indexOf(directory: string): Promise<{ manifests: Descriptor[]; [key: string]: unknown }> {
  return JSON.parse(await readFile(join(directory, 'index.json'), 'utf8'));
}

describe('a layout directory as a place', () => {
  it('serves a client as a place', () => {
    const place: Place = new LayoutPlace('x');
    const archive: Place = new ArchivePlace('x', { format: 'oci' });
    assert.deepEqual([place.name, archive.name], ['oci:x', 'oci-archive:x']);
  });

  it('takes an image and gives it back', async () => {
    await using directory = await temporaryDirectory();
    const path = directory.join('new', 'layout');
    const reference = await copyTo(new LayoutPlace(path, { image: 'v1' }), image.root);
    assert.equal(reference, `oci:${path}@${image.root.digest}`);
    assert.equal(await readFile(join(path, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}');
    const { mediaType, digest, size } = image.root;
    assert.deepEqual(await indexOf(path), {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [{ mediaType, digest, size, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }],
    });
    for (const wanted of ['v1', '', digest, `v1@${digest}`]) {
      const found = await copyFrom(new LayoutPlace(path, { image: wanted }));
      assert.equal(found.root.digest, digest);
      assert.deepEqual(found.blobs, digests(image.blobs));
    }
    assert.deepEqual((await readdir(path)).sort(), ['.lock', 'blobs', 'index.json', 'oci-layout']);
  });

  it('sends nothing that is there, and replaces what is there with another size or as a link', async () => {
    await using directory = await temporaryDirectory();
    const place = new LayoutPlace(directory.path);
    await copyTo(place, image.root);
    const [layer, second] = image.blobs.map(({ descriptor }) =>
      directory.join('blobs', 'sha256', descriptor.digest.slice(7)),
    );
    assert.ok(layer !== undefined && second !== undefined);
    const before = await stat(second);
    await writeFile(layer, 'short');
    await copyTo(place, image.root);
    assert.equal((await stat(layer)).size, image.blobs[0]?.bytes.byteLength);
    assert.equal((await stat(second)).ino, before.ino);
    await rm(layer);
    await symlink('/etc/hostname', layer);
    await copyTo(place, image.root);
    assert.deepEqual((await copyFrom(place)).blobs, digests(image.blobs));
  });

  it('moves names, and keeps what it does not know', async () => {
    await using directory = await temporaryDirectory();
    const unknown = { mediaType: 'x/y', digest: other.root.digest, size: 1, annotations: { a: 'b' }, strange: true };
    await mkdir(directory.join('blobs'));
    await writeFile(
      directory.join('index.json'),
      JSON.stringify({ manifests: [unknown], annotations: { kept: 'yes' } }),
    );
    await copyTo(new LayoutPlace(directory.path, { image: 'v1' }), image.root);
    await copyTo(new LayoutPlace(directory.path, { image: 'v1' }), other.root);
    await copyTo(new LayoutPlace(directory.path), other.root);
    await copyTo(new LayoutPlace(directory.path), image.root);
    const index = await indexOf(directory.path);
    assert.deepEqual(index['annotations'], { kept: 'yes' });
    assert.deepEqual(index.manifests, [
      unknown,
      { ...other.root, annotations: { 'org.opencontainers.image.ref.name': 'v1' } },
      image.root,
    ]);
  });

  it('takes no entry more than a layout may have and still be read', async () => {
    await using directory = await temporaryDirectory();
    const manifests = Array.from({ length: 10_000 }, (_, tag) => ({
      ...other.root,
      annotations: { 'org.opencontainers.image.ref.name': `t${tag}` },
    }));
    await writeFile(directory.join('index.json'), JSON.stringify({ manifests }));
    await fails(
      copyTo(new LayoutPlace(directory.path, { image: 'more' }), image.root),
      'failed-precondition',
      /10001 entries/,
    );
    assert.equal((await indexOf(directory.path)).manifests.length, 10_000);
    await copyTo(new LayoutPlace(directory.path, { image: 't7' }), image.root);
  });

  it('an image of several platforms may be there in part', async () => {
    await using directory = await temporaryDirectory();
    const arm = (ones: readonly Descriptor[]) =>
      ones.filter(({ platform }) => (platform?.architecture ?? 'arm64') === 'arm64');
    await copyTo(new LayoutPlace(directory.path, { image: 'm' }), multi.root, arm);
    const found = (await readdir(directory.join('blobs', 'sha256'))).map((hex) => `sha256:${hex}`).sort();
    assert.deepEqual(found, digests(multi.blobs.slice(4)));
  });

  it('a wrong blob is not taken, and leaves nothing', async () => {
    await using directory = await temporaryDirectory();
    await using target = await new LayoutPlace(directory.path).target();
    const [{ descriptor } = { descriptor: image.root }] = image.blobs;
    const wrong = target.pusher.push(descriptor, () => inChunks(Buffer.alloc(descriptor.size)));
    await fails(wrong, 'data-loss', 'digest-mismatch');
    assert.deepEqual(await readdir(directory.join('blobs', 'sha256')), []);
  });

  it('refuses names that a layout cannot have, another version, and what is no layout', async () => {
    await using directory = await temporaryDirectory();
    await fails(new LayoutPlace(directory.path, { image: 'a__b' }).target(), 'invalid-argument', /cannot be a name/);
    await fails(new LayoutPlace(directory.join('none')).source(), 'not-found', /no image layout/);
    await writeFile(directory.join('oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
    await fails(new LayoutPlace(directory.path).target(), 'invalid-argument', 'bad-archive', /unknown version/);
    await fails(new LayoutPlace(directory.path).source(), 'invalid-argument', 'bad-archive', /unknown version/);
  });

  it('several images need a name; one name for two images is refused', async () => {
    await using directory = await temporaryDirectory();
    await copyTo(new LayoutPlace(directory.path, { image: 'v1' }), image.root);
    await copyTo(new LayoutPlace(directory.path, { image: 'v2' }), other.root);
    await fails(new LayoutPlace(directory.path).source(), 'invalid-argument', /several images/);
    await fails(new LayoutPlace(directory.path, { image: 'v3' }).source(), 'not-found', /"v3"/);
    const index = await indexOf(directory.path);
    const twice = index.manifests.map((entry) => ({
      ...entry,
      annotations: { 'org.opencontainers.image.ref.name': 'v1' },
    }));
    await writeFile(directory.join('index.json'), JSON.stringify({ ...index, manifests: twice }));
    await fails(new LayoutPlace(directory.path, { image: 'v1' }).source(), 'invalid-argument', /several images v1/);
    // One name says nothing: what tells them apart is their digests.
    for (const wanted of ['v1', undefined]) {
      await assert.rejects(new LayoutPlace(directory.path, { image: wanted }).source(), (error: DrayError) => {
        for (const { root } of [image, other]) assert.ok(error.context.hint?.includes(root.digest));
        return true;
      });
    }
  });

  it('has the tags that it lists, and none that is no name', async () => {
    await using directory = await temporaryDirectory();
    const names = ['v1', 'a__b', '1.0+build', 'r.example/app:2', 'a b', '-rf', 'x\ny', '\u001b[31m', ''];
    const manifests = names.map((name) => named(image.root, name));
    await writeFile(directory.join('index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    assert.deepEqual(await new LayoutPlace(directory.path).tags(), ['v1', 'a__b', '1.0+build']);
    const place = new LayoutPlace(directory.path, { image: 'r.example/app:2' });
    assert.deepEqual(await place.tags(), ['2']);
  });

  it('content that a layout lacks is missing there, and in no store', async () => {
    await using directory = await temporaryDirectory();
    await copyTo(new LayoutPlace(directory.path), image.root);
    await rm(directory.join('blobs'), { recursive: true });
    await using source = await new LayoutPlace(directory.path).source();
    const reading = source.fetcher.fetch(source.root).then((stream) => Array.fromAsync(stream));
    await fails(reading, 'not-found', 'bad-archive', new RegExp(directory.path.replaceAll('\\', '\\\\')));
  });

  it('an archive is not written over a directory, and that is told before anything travels', async () => {
    await using directory = await temporaryDirectory();
    await fails(new ArchivePlace(directory.path, { format: 'oci' }).target(), 'failed-precondition', /directory/);
  });

  it('many processes write one layout at once, and every name is there', async () => {
    await using directory = await temporaryDirectory();
    const names = Array.from({ length: 6 }, (_, n) => `v${n}`);
    await Promise.all(names.map((name) => succeed(process.execPath, [child, 'copy', directory.path, name])));
    const found = (await indexOf(directory.path)).manifests.map(
      ({ annotations }) => Object.values(annotations ?? {})[0],
    );
    assert.deepEqual(found.sort(), names);
    for (const name of names) await copyFrom(new LayoutPlace(directory.path, { image: name }));
  });

  it('the lock of a process that was killed is gone with it; one that waits can give up', async () => {
    await using directory = await temporaryDirectory();
    await using holder = start(process.execPath, [child, 'hold', directory.path]);
    await holder.printed(/held/);
    const stop = new AbortController();
    const reason = new Error('enough');
    const waiting = withLock(directory.path, async () => 'got it', { signal: stop.signal });
    stop.abort(reason);
    await assert.rejects(waiting, reason);
    const patient = withLock(directory.path, async () => 'got it');
    await holder.kill();
    assert.equal(await patient, 'got it');
  });
});

describe('what is in the place of a lock', () => {
  it('is no way to another file, and nothing that a database does', async () => {
    await using directory = await temporaryDirectory();
    const lock = directory.join('.lock');
    const elsewhere = directory.join('elsewhere');
    const makers = {
      'a text': () => writeFile(lock, 'text'),
      'a directory': () => mkdir(lock),
      'a database': () => {
        using database = new DatabaseSync(lock);
        database.exec('CREATE TABLE t (x)');
      },
      ...(process.platform === 'win32' ? {} : { 'a link': () => symlink(elsewhere, lock) }),
    };
    for (const [what, make] of Object.entries(makers)) {
      await make();
      await fails(
        withLock(directory.path, async () => 'got it'),
        'failed-precondition',
        /is not the lock of a layout/,
      );
      await rm(lock, { recursive: true });
      assert.deepEqual(await readdir(directory.path), [], what);
    }
    assert.equal(await withLock(directory.path, async () => 'got it'), 'got it');
  });
});

describe('an archive file as a place', () => {
  it('gathers where nobody else can look, as the archive may be for its owner alone', {
    skip: process.platform === 'win32' && 'no modes there',
  }, async () => {
    await using directory = await temporaryDirectory();
    const path = directory.join('new', 'image.tar');
    const before = process.umask(0);
    try {
      await using target = await new ArchivePlace(path, { format: 'oci' }).target();
      const { descriptor, bytes } = image.blobs[0] ?? assert.fail();
      await target.pusher.push(descriptor, () => inChunks(bytes));
      const [gathered = ''] = await readdir(directory.join('new'));
      assert.equal((await stat(directory.join('new', gathered))).mode & 0o777, 0o700);
    } finally {
      process.umask(before);
    }
    assert.deepEqual(await readdir(directory.join('new')), []);
  });

  for (const format of ['oci', 'docker'] as const)
    it(`takes an image and gives it back: ${format}`, async () => {
      await using directory = await temporaryDirectory();
      const path = directory.join('image.tar');
      const name = format === 'oci' ? 'v1' : 'lab/app:v1';
      await copyTo(new ArchivePlace(path, { format, image: name }), image.root);
      assert.deepEqual(await readdir(directory.path), ['image.tar']);
      const found = await copyFrom(new ArchivePlace(path, { format, image: name }));
      const layers = digests(image.blobs.slice(0, 2));
      assert.ok(layers.every((digest) => found.blobs.includes(digest)));
      if (format === 'oci') assert.equal(found.root.digest, image.root.digest);
      const services = memoryServices();
      await importArchive(services, path, { prefix: 'lab/app' });
      assert.deepEqual(await namesIn(services), { 'docker.io/lab/app:v1': found.root.digest });
    });

  it('is the same file, however the blobs arrived, as an export gives', async () => {
    await using directory = await temporaryDirectory();
    await copyTo(new ArchivePlace(directory.join('a.tar'), { format: 'docker', image: 'lab/app:v1' }), image.root);
    const images = [{ target: image.root, names: ['docker.io/lab/app:v1'] }];
    await saveArchive(directory.join('b.tar'), exportArchive(await stored(), images, { format: 'docker' }));
    assert.deepEqual(await readFile(directory.join('a.tar')), await readFile(directory.join('b.tar')));
  });

  it('reads a packed archive, and leaves no temporary file', async () => {
    await using directory = await temporaryDirectory();
    const chunks: Uint8Array[] = [];
    for await (const chunk of exportArchive(await stored(), [{ target: multi.root }])) chunks.push(chunk);
    await writeFile(directory.join('a.tar.gz'), gzipSync(Buffer.concat(chunks)));
    const found = await copyFrom(new ArchivePlace(directory.join('a.tar.gz'), { format: 'oci' }));
    assert.deepEqual(found.blobs, digests(multi.blobs));
  });

  it('a blob that lies about its digest is not taken from it', async () => {
    await using directory = await temporaryDirectory();
    const [, ...rest] = image.blobs;
    const lie = { name: `blobs/sha256/${image.blobs[0]?.descriptor.digest.slice(7)}`, data: Buffer.alloc(3000) };
    const entries = rest.map(({ descriptor, bytes }) => ({
      name: `blobs/sha256/${descriptor.digest.slice(7)}`,
      data: bytes,
    }));
    const index = { name: 'index.json', data: JSON.stringify({ manifests: [image.root] }) };
    await writeFile(directory.join('a.tar'), tarOf([...entries, lie, index]));
    await fails(
      copyFrom(new ArchivePlace(directory.join('a.tar'), { format: 'oci' })),
      'failed-precondition',
      'digest-mismatch',
    );
  });

  it('an unfinished copy leaves what was there before', async () => {
    await using directory = await temporaryDirectory();
    const path = directory.join('image.tar');
    await writeFile(path, 'before');
    {
      await using target = await new ArchivePlace(path, { format: 'oci' }).target();
      await transfer(fetcherOf(await stored()), target.pusher, [image.root]);
    }
    assert.equal(await readFile(path, 'utf8'), 'before');
    assert.deepEqual(await readdir(directory.path), ['image.tar']);
  });

  it('a stream that fails leaves no file', async () => {
    await using directory = await temporaryDirectory();
    const failure = new Error('broken');
    async function* broken() {
      yield Buffer.from('x');
      throw failure;
    }
    await assert.rejects(saveArchive(directory.join('x.tar'), broken()), failure);
    assert.deepEqual(await readdir(directory.path), []);
    await fails(saveArchive(directory.join('no', 'x.tar'), broken()), 'not-found');
  });
});

describe('export into a layout directory', () => {
  const images = [
    { target: image.root, names: ['docker.io/lab/app:v1'] },
    { target: multi.root, names: ['docker.io/lab/multi:v1'] },
  ];

  it('is what an archive has, and can be added to', async () => {
    await using directory = await temporaryDirectory();
    await exportLayout(await stored(), images.slice(0, 1), directory.path);
    await exportLayout(await stored(), images.slice(1), directory.path);
    const services = memoryServices();
    const { result } = { result: await importArchive(services, directory.path) };
    assert.deepEqual(result.unnamed, []);
    assert.deepEqual(await namesIn(services), {
      'docker.io/lab/app:v1': image.root.digest,
      'docker.io/lab/multi:v1': multi.root.digest,
    });
    const blob = await stat(directory.join('blobs', 'sha256', image.root.digest.slice(7)));
    if (process.platform !== 'win32') assert.equal(blob.mode & 0o777, 0o644 & ~process.umask());
  });

  for (const sharing of ['hard', 'reflink'] as const)
    it(`shares files of the same disk: ${sharing}, or copies where that cannot be done`, async () => {
      await using directory = await temporaryDirectory();
      await using content = new LocalStore(directory.join('store'), { durability: 'none' });
      await putBlobs(content, all);
      await exportLayout(content, images, directory.join('layout'), { sharing, durability: 'none' });
      const [layer] = image.blobs;
      const name = join('blobs', 'sha256', layer?.descriptor.digest.slice(7) ?? '');
      const [ours, theirs] = [await stat(directory.join('store', name)), await stat(directory.join('layout', name))];
      if (sharing === 'hard' && (await canLink(directory.path))) assert.equal(ours.ino, theirs.ino);
      else assert.notEqual(ours.ino, theirs.ino);
      assert.deepEqual(await readFile(directory.join('layout', name)), Buffer.from(layer?.bytes ?? ''));
    });

  it('a layout is flushed, its shared files and those that were there already too', { skip: unlessSeen }, async () => {
    await using directory = await temporaryDirectory();
    await using content = new LocalStore(directory.join('store'), { durability: 'none' });
    await putBlobs(content, other.blobs);
    const to = directory.join('layout');
    const save = (): Promise<unknown> =>
      exportLayout(content, [{ names: ['other'], target: other.root }], to, { sharing: 'hard' });
    const paths = await flushed(to, save);
    const [entries, place] = [join('blobs', 'sha256'), join('blobs', 'sha256', 'HEX')];
    const files = paths.filter((path) => path.startsWith(place));
    assert.equal(files.length, other.blobs.length, paths.join('\n'));
    assert.ok(paths.lastIndexOf(entries) > paths.lastIndexOf(files.at(-1) ?? ''));
    assert.equal(paths.at(-1), '');
    assert.ok((await flushed(to, save)).includes(entries));
  });

  it('a rotten blob is not shared', async () => {
    await using directory = await temporaryDirectory();
    await using content = new LocalStore(directory.join('store'), { durability: 'none' });
    await putBlobs(content, image.blobs);
    const path = directory.join('store', 'blobs', 'sha256', image.blobs[0]?.descriptor.digest.slice(7) ?? '');
    const bytes = await readFile(path);
    bytes[7] = (bytes[7] ?? 0) ^ 1;
    await rm(path);
    await writeFile(path, bytes);
    const rotten = exportLayout(content, images.slice(0, 1), directory.join('layout'), { sharing: 'hard' });
    await fails(rotten, 'data-loss', 'digest-mismatch');
    assert.equal(await readFile(directory.join('layout', 'index.json')).catch(() => 'none'), 'none');
    const left = await readdir(directory.join('layout', 'blobs', 'sha256'));
    assert.ok(left.every((name) => !name.endsWith('.tmp')));
  });

  it('a list that cannot be written leaves nothing behind', async (t) => {
    await using directory = await temporaryDirectory();
    const writer = new LayoutWriter(directory.path);
    await writer.begin();
    const before = await readdir(directory.path);
    await using handle = await open(directory.join('oci-layout'));
    const failure = Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
    t.mock.method(Object.getPrototypeOf(handle) as FileHandle, 'sync', () => Promise.reject(failure));
    await fails(writer.list([image.root]), 'unavailable');
    assert.deepEqual(
      (await readdir(directory.path)).filter((name) => name !== '.lock'),
      before,
    );
  });

  it('what is listed already is not written again', async () => {
    await using directory = await temporaryDirectory();
    const writer = new LayoutWriter(directory.path);
    const [first, second] = ['1', '2'].map((refName) => entryOf({ target: image.root, refName }));
    assert.ok(first !== undefined && second !== undefined);
    await writer.list([first, second]);
    const before = await stat(directory.join('index.json'));
    await writer.list([first]);
    assert.equal((await stat(directory.join('index.json'))).ino, before.ino);
    await writer.list([entryOf({ target: { ...image.root, size: image.root.size + 1 }, refName: '1' })]);
    const { manifests } = JSON.parse(await readFile(directory.join('index.json'), 'utf8'));
    assert.deepEqual(
      manifests.map(({ size }: { size: number }) => size),
      [image.root.size, image.root.size + 1],
    );
  });

  it('missing content leaves the layout as it was', async () => {
    await using directory = await temporaryDirectory();
    await exportLayout(await stored(), images.slice(0, 1), directory.path);
    const before = await readFile(directory.join('index.json'), 'utf8');
    await fails(exportLayout(await stored(multi.blobs.slice(1)), images.slice(1), directory.path), 'not-found');
    assert.equal(await readFile(directory.join('index.json'), 'utf8'), before);
  });

  it('a file is no layout', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('file'), '');
    await fails(new LayoutPlace(directory.join('file')).source(), 'not-found', /no image layout/);
  });

  it('documents of a layout that are links are not followed', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('secret'), JSON.stringify({ manifests: [] }));
    await mkdir(directory.join('layout', 'blobs'), { recursive: true });
    await symlink(directory.join('secret'), directory.join('layout', 'index.json'));
    const into = exportLayout(await stored(), images, directory.join('layout'));
    await fails(into, 'invalid-argument', 'bad-archive', /is a link/);
  });
});

describe('how places are written', () => {
  const cases: readonly [string, string | undefined][] = [
    ['oci:dir', 'oci:dir'],
    ['oci:/some/dir:v1', 'oci:/some/dir:v1'],
    ['oci:dir:docker.io/lab/app:v1', 'oci:dir:docker.io/lab/app:v1'],
    ['oci-archive:file.tar', 'oci-archive:file.tar'],
    ['oci-archive:file.tar:v1', 'oci-archive:file.tar:v1'],
    ['docker-archive:C:\\images\\a.tar:lab/app:v1', 'docker-archive:C:\\images\\a.tar:lab/app:v1'],
    ['docker-archive:file.tar:', 'docker-archive:file.tar'],
    ['docker.io/library/redis:7', undefined],
    [`oci:dir@${image.root.digest}`, `oci:dir:${image.root.digest}`],
    [`oci:dir:v1@${image.root.digest}`, `oci:dir:v1@${image.root.digest}`],
    [`oci-archive:file@1.tar@${image.root.digest}`, `oci-archive:file@1.tar:${image.root.digest}`],
    ['ocix:dir', undefined],
  ];
  for (const [text, name] of cases) it(`${text}`, () => assert.equal(parsePlace(text)?.name, name));

  it('what a copy prints is a place', async () => {
    await using directory = await temporaryDirectory();
    await copyTo(new LayoutPlace(directory.path, { image: 'v1' }), image.root);
    const reference = await copyTo(new LayoutPlace(directory.path, { image: 'v2' }), other.root);
    const place = parsePlace(reference);
    await using source = await place?.source();
    assert.equal(source?.root.digest, other.root.digest);
  });

  it('a place without a path is refused', () => {
    for (const text of ['oci:', 'oci-archive:', 'docker-archive::v1'])
      assert.throws(() => parsePlace(text), /names no path/);
  });
});

async function canLink(directory: string): Promise<boolean> {
  await writeFile(join(directory, 'one'), '');
  return await link(join(directory, 'one'), join(directory, 'two')).then(
    () => true,
    () => false,
  );
}
