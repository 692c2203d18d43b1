import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { selectPlatforms } from '../../../src/client/select.ts';
import { saveArchive } from '../../../src/oci/archive-file.ts';
import { StreamSource } from '../../../src/oci/byte-source.ts';
import { type ExportOptions, exportArchive } from '../../../src/oci/export.ts';
import type { ExportImage } from '../../../src/oci/export-index.ts';
import { importArchive } from '../../../src/oci/import.ts';
import { readTar } from '../../../src/oci/tar-reader.ts';
import { convertMediaTypes } from '../../../src/oci/translate.ts';
import { digestOf } from '../../../src/spec/digest.ts';
import { memoryServices } from '../../../src/testing/memory-services.ts';
import { blobsIn, namesIn, putBlobs } from '../../oci/images.ts';
import { inChunks, tarOf } from '../../oci/tar-builder.ts';
import { type Containerd, startContainerd, unlessContainerd } from '../../support/containerd.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { realImage } from './real-image.ts';

const app = realImage('app');
const db = realImage('db');
const multi = realImage('multi', ['linux/amd64', 'linux/arm64', 'linux/s390x']);
const images: readonly ExportImage[] = [
  { target: app.root, names: ['docker.io/lab/app:v1', 'docker.io/lab/app:latest'] },
  { target: db.root, names: ['registry.example.com/db:v1'] },
  { target: multi.root, names: ['docker.io/lab/multi:v1'] },
];
const expected = {
  'docker.io/lab/app:latest': app.root.digest,
  'docker.io/lab/app:v1': app.root.digest,
  'docker.io/lab/multi:v1': multi.root.digest,
  'registry.example.com/db:v1': db.root.digest,
};

async function content() {
  const { content: store } = memoryServices();
  await putBlobs(store, [...app.blobs, ...db.blobs, ...multi.blobs]);
  return store;
}

async function save(path: string, of: readonly ExportImage[], options: ExportOptions = {}): Promise<void> {
  await saveArchive(path, exportArchive(await content(), of, options), { durability: 'none' });
}

async function listed(containerd: Containerd): Promise<Record<string, string>> {
  const lines = (await containerd.ctr('images', 'ls')).trim().split('\n').slice(1);
  return Object.fromEntries(lines.map((line) => [line.split(/\s+/)[0], line.split(/\s+/)[2]]));
}

async function clear(containerd: Containerd): Promise<void> {
  const names = Object.keys(await listed(containerd));
  if (names.length > 0) await containerd.ctr('images', 'rm', '--sync', ...names);
}

/** Entries by name, with their headers. */
async function entriesIn(bytes: Buffer): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for await (const { name, offset, size } of readTar(new StreamSource(inChunks(bytes))))
    found.set(name, bytes.subarray(offset - 512, offset + size));
  return found;
}

describe('containerd', { skip: unlessContainerd() }, () => {
  let containerd: Containerd;
  before(async () => {
    containerd = await startContainerd();
  });
  after(async () => {
    await containerd[Symbol.asyncDispose]();
  });

  for (const format of ['oci', 'both'] as const)
    it(`imports what dray exports, several images and platforms: ${format}`, async () => {
      await using directory = await temporaryDirectory();
      await save(directory.join('a.tar'), images, { format });
      await containerd.ctr('images', 'import', '--no-unpack', '--all-platforms', directory.join('a.tar'));
      assert.deepEqual(await listed(containerd), expected);
      for (const name of Object.keys(expected)) await containerd.ctr('images', 'check', `name==${name}`);
      await clear(containerd);
    });

  it("imports what dray translates into Docker's media types", async () => {
    await using directory = await temporaryDirectory();
    const store = await content();
    const { target } = await convertMediaTypes(store, multi.root, 'docker');
    const docker = exportArchive(store, [{ target, names: ['docker.io/lab/multi:docker'] }]);
    await saveArchive(directory.join('a.tar'), docker, { durability: 'none' });
    await containerd.ctr('images', 'import', '--no-unpack', '--all-platforms', directory.join('a.tar'));
    assert.deepEqual(await listed(containerd), { 'docker.io/lab/multi:docker': target.digest });
    await clear(containerd);
  });

  it('imports a docker-archive, and gives its image the digest that dray gives it', async () => {
    await using directory = await temporaryDirectory();
    await save(directory.join('d.tar'), images.slice(0, 2), { format: 'docker' });
    await containerd.ctr('images', 'import', '--no-unpack', directory.join('d.tar'));
    const services = memoryServices();
    await importArchive(services, directory.join('d.tar'));
    assert.deepEqual(await listed(containerd), await namesIn(services));
    await clear(containerd);
  });

  it('imports an archive of one platform, whose index is kept whole', async () => {
    await using directory = await temporaryDirectory();
    await save(directory.join('p.tar'), images.slice(2), { select: selectPlatforms(['linux/amd64']) });
    await containerd.ctr('images', 'import', '--no-unpack', '--platform', 'linux/amd64', directory.join('p.tar'));
    assert.deepEqual(await listed(containerd), { 'docker.io/lab/multi:v1': multi.root.digest });
    await clear(containerd);
  });

  it('exports what dray imports, with the same digests', async () => {
    await using directory = await temporaryDirectory();
    await save(directory.join('a.tar'), images);
    await containerd.ctr('images', 'import', '--no-unpack', '--all-platforms', directory.join('a.tar'));
    await containerd.ctr('images', 'export', '--all-platforms', directory.join('b.tar'), ...Object.keys(expected));
    const services = memoryServices();
    const { unnamed } = await importArchive(services, directory.join('b.tar'), { select: selectPlatforms('all') });
    assert.deepEqual(unnamed, []);
    assert.deepEqual(await namesIn(services), expected);
    assert.equal((await blobsIn(services)).length, new Set([...app.blobs, ...db.blobs, ...multi.blobs]).size);
    await containerd.ctr('images', 'export', directory.join('c.tar'), 'docker.io/lab/multi:v1');
    const sparse = memoryServices();
    await importArchive(sparse, directory.join('c.tar'));
    assert.deepEqual(await namesIn(sparse), { 'docker.io/lab/multi:v1': multi.root.digest });
    await clear(containerd);
  });

  it('writes the same bytes as dray, entry by entry, headers included', async () => {
    await using directory = await temporaryDirectory();
    const one = [{ target: app.root, names: ['docker.io/lab/app:v1'] }];
    await save(directory.join('a.tar'), one);
    await containerd.ctr('images', 'import', '--no-unpack', directory.join('a.tar'));
    await containerd.ctr('images', 'export', directory.join('b.tar'), 'docker.io/lab/app:v1');
    const [ours, theirs] = [await readFile(directory.join('a.tar')), await readFile(directory.join('b.tar'))];
    const [mine, other] = [await entriesIn(ours), await entriesIn(theirs)];
    assert.deepEqual([...mine.keys()], [...other.keys()]);
    for (const [name, bytes] of mine) {
      // An older containerd leaves out the media type of the index.
      if (name === 'index.json')
        assert.deepEqual(indexIn(bytes), { ...indexIn(other.get(name)), mediaType: indexIn(bytes)['mediaType'] });
      else assert.deepEqual(bytes, other.get(name), name);
    }
    assert.deepEqual(ours.subarray(-1024), theirs.subarray(-1024));
    await clear(containerd);
  });

  it('reads archives by the same rules: names, tags, links', async () => {
    await using directory = await temporaryDirectory();
    const layer = tarOf([{ name: 'x', data: 'x' }]);
    const config = {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(layer), digestOf(layer)] },
    };
    const archive = tarOf([
      {
        name: './manifest.json',
        data: JSON.stringify([
          { Config: 'c.json', RepoTags: ['x:1', 'lab/y'], Layers: ['one/layer.tar', 'two/layer.tar'] },
        ]),
      },
      { name: 'one/layer.tar', data: layer },
      { name: 'two/layer.tar', type: '2', linkName: '../one/layer.tar' },
      { name: 'c.json', data: JSON.stringify(config) },
    ]);
    await writeFile(directory.join('l.tar'), archive);
    await containerd.ctr('images', 'import', '--no-unpack', directory.join('l.tar'));
    const services = memoryServices();
    await importArchive(services, directory.join('l.tar'));
    assert.deepEqual(await listed(containerd), await namesIn(services));
    await clear(containerd);
  });
});

function indexIn(entry: Buffer | undefined): Record<string, unknown> {
  return JSON.parse(entry?.subarray(512).toString() ?? '{}');
}
