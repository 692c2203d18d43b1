import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { selectPlatforms } from '../../../src/client/select.ts';
import { readDocument } from '../../../src/content/documents.ts';
import type { ContentStore } from '../../../src/content/store.ts';
import { saveArchive } from '../../../src/oci/archive-file.ts';
import { type ExportOptions, exportArchive } from '../../../src/oci/export.ts';
import type { ExportImage } from '../../../src/oci/export-index.ts';
import { exportLayout } from '../../../src/oci/export-layout.ts';
import { importArchive } from '../../../src/oci/import.ts';
import { LayoutPlace } from '../../../src/oci/layout.ts';
import { convertMediaTypes } from '../../../src/oci/translate.ts';
import { parseManifest } from '../../../src/spec/documents.ts';
import { memoryServices } from '../../../src/testing/memory-services.ts';
import { fails, namesIn, putBlobs } from '../../oci/images.ts';
import { run, succeed } from '../../support/processes.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary.ts';
import { unlessInstalled } from '../../support/tools.ts';
import { realImage } from './real-image.ts';

const app = realImage('app');
const db = realImage('db');
const multi = realImage('multi', ['linux/amd64', 'linux/arm64']);
const one: readonly ExportImage[] = [{ target: app.root, names: ['docker.io/lab/app:v1'] }];
const several: readonly ExportImage[] = [
  ...one,
  { target: db.root, names: ['docker.io/lab/db:v2'] },
  { target: multi.root, names: ['docker.io/lab/multi:v3'] },
];

async function content(): Promise<ContentStore> {
  const { content: store } = memoryServices();
  await putBlobs(store, [...app.blobs, ...db.blobs, ...multi.blobs]);
  return store;
}

async function save(path: string, of: readonly ExportImage[], options: ExportOptions = {}): Promise<void> {
  await saveArchive(path, exportArchive(await content(), of, options), { durability: 'none' });
}

function skopeo(...args: readonly string[]): Promise<string> {
  return succeed('skopeo', ['--insecure-policy', ...args]);
}

async function digestOf(reference: string): Promise<string> {
  await using directory = await temporaryDirectory();
  const file = directory.join('manifest.json');
  await writeFile(file, await skopeo('inspect', '--raw', reference));
  return (await skopeo('manifest-digest', file)).trim();
}

/** Digest of the config that a name stands for, which no packing of an image changes. */
async function configOf(services: ReturnType<typeof memoryServices>, name: string): Promise<string> {
  const { target } = await services.images.get(name);
  return parseManifest(await readDocument(services.content, target)).config.digest;
}

describe('skopeo', { skip: unlessInstalled('skopeo') }, () => {
  it('reads one image from each format, and the digests agree', async () => {
    await using directory = await temporaryDirectory();
    await save(directory.join('both.tar'), one);
    await save(directory.join('oci.tar'), one, { format: 'oci' });
    await save(directory.join('docker.tar'), one, { format: 'docker' });
    for (const from of ['oci-archive:both.tar', 'oci-archive:both.tar:v1', 'oci-archive:oci.tar:v1']) {
      const [transport, ...rest] = from.split(':');
      assert.equal(await digestOf(`${transport}:${directory.join(rest.join(':'))}`), app.root.digest);
    }
    for (const file of ['both.tar', 'docker.tar', 'both.tar:lab/app:v1']) {
      await skopeo('copy', '-q', `docker-archive:${directory.join(file)}`, `dir:${directory.join('out')}`);
      const { config } = parseManifest(await readFile(directory.join('out', 'manifest.json')));
      assert.equal(config.digest, app.blobs[2]?.descriptor.digest);
    }
  });

  it('reads several images and platforms by their tags', async () => {
    await using directory = await temporaryDirectory();
    await save(directory.join('a.tar'), several);
    for (const [tag, { root }] of [
      ['v1', app],
      ['v2', db],
      ['v3', multi],
    ] as const)
      assert.equal(await digestOf(`oci-archive:${directory.join('a.tar')}:${tag}`), root.digest);
    await skopeo('copy', '-q', '--all', `oci-archive:${directory.join('a.tar')}:v3`, `oci:${directory.join('out')}:m`);
    const services = memoryServices();
    await importArchive(services, directory.join('out'), { name: 'm', select: selectPlatforms('all') });
    assert.deepEqual(await namesIn(services), { m: multi.root.digest });
    const amd64 = ['--override-os', 'linux', '--override-arch', 'amd64'];
    const from = `docker-archive:${directory.join('a.tar')}:lab/multi:v3`;
    await skopeo('copy', '-q', ...amd64, from, `dir:${directory.join('single')}`);
  });

  it('reads a layout directory that dray wrote', async () => {
    await using directory = await temporaryDirectory();
    await exportLayout(await content(), several, directory.join('layout'), { durability: 'none' });
    assert.equal(await digestOf(`oci:${directory.join('layout')}:v3`), multi.root.digest);
  });

  it('writes archives and layouts that dray reads', async () => {
    await using directory = await temporaryDirectory();
    await exportLayout(await content(), several, directory.join('layout'), { durability: 'none' });
    const from = `oci:${directory.join('layout')}`;
    await skopeo('copy', '-q', `${from}:v1`, `oci-archive:${directory.join('o.tar')}:v1`);
    await skopeo('copy', '-q', `${from}:v1`, `oci-archive:${directory.join('full.tar')}:docker.io/lab/app:v9`);
    await skopeo('copy', '-q', '--all', `${from}:v3`, `oci-archive:${directory.join('m.tar')}:v3`);
    await skopeo('copy', '-q', `${from}:v1`, `docker-archive:${directory.join('d.tar')}:lab/app:v1`);
    const read = async (file: string, options: Parameters<typeof importArchive>[2] = {}) => {
      const services = memoryServices();
      const { unnamed } = await importArchive(services, directory.join(file), {
        prefix: 'docker.io/lab/app',
        ...options,
      });
      assert.deepEqual(unnamed, []);
      return services;
    };
    assert.deepEqual(await namesIn(await read('o.tar')), { 'docker.io/lab/app:v1': app.root.digest });
    assert.deepEqual(await namesIn(await read('full.tar')), { 'docker.io/lab/app:v9': app.root.digest });
    assert.deepEqual(await namesIn(await read('m.tar', { select: selectPlatforms('all') })), {
      'docker.io/lab/app:v3': multi.root.digest,
    });
    const docker = await read('d.tar');
    assert.equal(await configOf(docker, 'docker.io/lab/app:v1'), app.blobs[2]?.descriptor.digest);
  });

  it('accepts what dray translates, from one family to the other and back', async () => {
    await using directory = await temporaryDirectory();
    const store = await content();
    const docker = await convertMediaTypes(store, app.root, 'docker');
    const back = await convertMediaTypes(store, docker.target, 'oci');
    assert.equal(back.target.digest, app.root.digest);
    await exportLayout(store, [{ target: back.target, names: ['docker.io/lab/app:oci'] }], directory.join('layout'));
    assert.equal(await digestOf(`oci:${directory.join('layout')}:oci`), app.root.digest);
    // This tool knows Docker's types in a directory of its own form, and not in a layout.
    await mkdir(directory.join('dir'));
    await writeFile(directory.join('dir', 'version'), 'Directory Transport Version: 1.1\n');
    await writeFile(directory.join('dir', 'manifest.json'), await readDocument(store, docker.target));
    for (const { descriptor, bytes } of app.blobs)
      await writeFile(directory.join('dir', descriptor.digest.slice(7)), bytes);
    assert.equal(await digestOf(`dir:${directory.join('dir')}`), docker.target.digest);
    await skopeo('copy', '-q', `dir:${directory.join('dir')}`, `docker-archive:${directory.join('d.tar')}:lab/app:v1`);
  });
});

describe('buildah', { skip: unlessInstalled('buildah') }, () => {
  const buildah = (directory: TemporaryDirectory, ...args: readonly string[]): Promise<string> =>
    succeed('buildah', [
      ...['--root', directory.join('storage'), '--runroot', directory.join('run'), '--storage-driver', 'vfs'],
      ...args,
    ]);

  it('pulls from the archives that dray writes', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
    await save(directory.join('a.tar'), one);
    const policy = ['--signature-policy', directory.join('policy.json')];
    for (const transport of ['oci-archive', 'docker-archive']) {
      const id = await buildah(directory, 'pull', '-q', ...policy, `${transport}:${directory.join('a.tar')}`);
      assert.equal(`sha256:${id.trim()}`, app.blobs[2]?.descriptor.digest, transport);
    }
  });

  it('pushes archives that dray reads', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
    await save(directory.join('a.tar'), one);
    const policy = ['--signature-policy', directory.join('policy.json')];
    const id = (await buildah(directory, 'pull', '-q', ...policy, `oci-archive:${directory.join('a.tar')}`)).trim();
    for (const transport of ['oci-archive', 'docker-archive']) {
      const file = directory.join(`${transport}.tar`);
      await buildah(directory, 'push', '-q', ...policy, id, `${transport}:${file}:lab/built:v1`);
      const services = memoryServices();
      await importArchive(services, file);
      assert.deepEqual(Object.keys(await namesIn(services)), ['docker.io/lab/built:v1'], transport);
      const { config } = parseManifest(
        await readDocument(services.content, (await services.images.get('docker.io/lab/built:v1')).target),
      );
      if (transport === 'docker-archive') assert.equal(config.digest, `sha256:${id}`);
    }
  });
});

describe('umoci', { skip: unlessInstalled('umoci') }, () => {
  it('reads a layout directory that dray wrote', async () => {
    await using directory = await temporaryDirectory();
    await exportLayout(await content(), one, directory.join('layout'), { durability: 'none' });
    const stat = JSON.parse(await succeed('umoci', ['stat', '--image', `${directory.join('layout')}:v1`, '--json']));
    assert.equal(stat.history.length, 2);
    await succeed('umoci', [
      'unpack',
      '--rootless',
      '--image',
      `${directory.join('layout')}:v1`,
      directory.join('bundle'),
    ]);
    assert.equal(await readFile(directory.join('bundle', 'rootfs', 'app', 'text'), 'utf8'), 'app app linux/amd64\n');
  });

  it('adds to a layout of dray, and writes layouts that dray reads', async () => {
    await using directory = await temporaryDirectory();
    const layout = directory.join('layout');
    await exportLayout(await content(), one, layout, { durability: 'none' });
    await succeed('umoci', ['tag', '--image', `${layout}:v1`, 'copy']);
    await succeed('umoci', ['new', '--image', `${layout}:fresh`]);
    await succeed('umoci', ['insert', '--rootless', '--image', `${layout}:fresh`, join(layout, 'oci-layout'), '/file']);
    await succeed('umoci', ['gc', '--layout', layout]);
    const services = memoryServices();
    const { unnamed } = await importArchive(services, layout, { prefix: 'lab/app' });
    assert.deepEqual(unnamed, []);
    const names = await namesIn(services);
    assert.deepEqual(Object.keys(names).sort(), ['docker.io/lab/app:fresh', 'docker.io/lab/app:v1']);
    assert.equal(names['docker.io/lab/app:v1'], app.root.digest);
    // The tool copies the annotation with the whole name too, so the new tag is one of the layout only.
    await using copied = await new LayoutPlace(layout, { image: 'copy' }).source();
    assert.equal(copied.root.digest, app.root.digest);
  });
});

describe('GNU tar', { skip: unlessInstalled('tar') }, () => {
  it('finds nothing wrong with what dray writes', async () => {
    await using directory = await temporaryDirectory();
    await save(directory.join('a.tar'), several);
    const { code, stderr, stdout } = await run('tar', ['tvf', directory.join('a.tar')]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(stdout.includes('index.json'));
    await succeed('tar', ['xf', directory.join('a.tar'), '-C', directory.path]);
    assert.deepEqual(
      await readFile(directory.join('blobs', 'sha256', app.root.digest.slice(7))),
      Buffer.from(app.blobs.at(-1)?.bytes ?? ''),
    );
  });

  for (const format of ['v7', 'oldgnu', 'gnu', 'ustar', 'posix'])
    it(`archives in its format ${format} are read`, async () => {
      await using directory = await temporaryDirectory();
      await exportLayout(await content(), several, directory.join('layout'), { durability: 'none' });
      const archive = directory.join('a.tar');
      await succeed('tar', ['cf', archive, `--format=${format}`, '-C', directory.join('layout'), '.']);
      const services = memoryServices();
      await importArchive(services, archive);
      assert.equal((await namesIn(services))['docker.io/lab/multi:v3'], multi.root.digest);
    });

  it('sparse entries are refused', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('hole'), Buffer.concat([Buffer.alloc(1024 * 1024), Buffer.from('x')]));
    for (const format of ['gnu', 'posix']) {
      const archive = directory.join(`${format}.tar`);
      await succeed('cp', ['--sparse=always', directory.join('hole'), directory.join('sparse')]);
      await succeed('tar', ['cSf', archive, `--format=${format}`, '-C', directory.path, 'sparse']);
      await fails(importArchive(memoryServices(), archive), 'invalid-argument', 'bad-archive', /sparse/);
    }
  });
});
