import assert from 'node:assert/strict';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { describe, it, mock } from 'node:test';
import { createGzip, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { DrayError } from '../../src/errors.ts';
import { entryLimit, nameLimit } from '../../src/oci/catalog.ts';
import { importArchive } from '../../src/oci/import.ts';
import type { Services } from '../../src/services/services.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { documentLimit } from '../../src/spec/documents.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { document, randomBytes, randomImage } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import {
  blobsIn,
  exportBytes,
  fails,
  importBytes,
  importEntries,
  ingestsIn,
  layoutEntries,
  named,
  namesIn,
  putBlobs,
} from './images.ts';
import { type EntrySpec, entryBytes, inChunks, pax, tarOf } from './tar-builder.ts';

const image = randomImage({ seed: 'safety', layers: [1500, 10] });
const full = 'registry.example.com/team/app:1.0';
const good = layoutEntries(image.blobs, [named(image.root, full)]);

/** Nothing has a name, and no ingest is left. */
async function nothingVisible(services: Services): Promise<void> {
  assert.deepEqual(await namesIn(services), {});
  assert.deepEqual(await ingestsIn(services), []);
}

async function refused(entries: readonly EntrySpec[], message: RegExp): Promise<void> {
  const services = memoryServices();
  await fails(importEntries(entries, {}, services), 'invalid-argument', 'bad-archive', message);
  await nothingVisible(services);
}

describe('archives that try to get out', () => {
  const names = [
    '../x',
    'a/../../x',
    'a/..',
    '..',
    '/etc/passwd',
    '//x',
    'a\\..\\x',
    'C:\\x',
    'C:/x',
    'C:x',
    'C:x/..',
    'c:../../x',
  ];
  for (const name of names)
    it(`an entry named ${name}`, async () => {
      await refused([{ name, data: 'x' }, ...good], /absolute name|leads out|Windows path/);
      await refused(
        [pax({ path: name }), { name: 'short', data: 'x' }, ...good],
        /absolute name|leads out|Windows path/,
      );
    });

  it('a link that leads out is harmless as long as nothing means it', async () => {
    const link = { name: 'docs', type: '2', linkName: '../../../etc' };
    const { services } = await importEntries([link, ...good]);
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
  });

  it('a hard link means an entry of the archive, never a file of the working directory', async () => {
    assert.ok((await readdir('.')).includes('package.json'));
    const config = JSON.stringify({ rootfs: { type: 'layers', diff_ids: [`sha256:${'a'.repeat(64)}`] } });
    const items = [{ Config: 'c', RepoTags: ['a:1'], Layers: ['layer.tar'] }];
    for (const linkName of ['package.json', './package.json', 'src/../package.json']) {
      const services = memoryServices();
      const entries = [
        { name: 'c', data: config },
        { name: 'layer.tar', type: '1', linkName },
        { name: 'manifest.json', data: JSON.stringify(items) },
      ];
      await fails(importEntries(entries, {}, services), 'not-found', 'bad-archive', /layer "layer.tar" is not in it/);
      await nothingVisible(services);
    }
  });

  it('names that a file system would fold into one are different entries', async () => {
    const names = [
      '\u00e9',
      'e\u0301',
      'E\u0301',
      'stra\u00dfe',
      'strasse',
      'STRASSE',
      'con',
      'CON',
      'con.txt',
      'file:stream',
    ];
    const odd = names.map((name) => ({ name, data: name }));
    const { services } = await importEntries([...odd, ...good]);
    for (const name of names) assert.ok((await blobsIn(services)).includes(digestOf(name)));
  });

  it('writing through a link of the same archive reaches nothing outside of the store', async () => {
    await using directory = await temporaryDirectory();
    await mkdir(directory.join('outside'));
    await using content = new LocalStore(directory.join('store'), { durability: 'none' });
    const through: EntrySpec[] = [
      { name: 'blobs', type: '2', linkName: directory.join('outside') },
      { name: 'out', type: '2', linkName: '../outside' },
      { name: 'out/file', data: 'escaped' },
      ...good,
    ];
    await importArchive({ ...memoryServices(), content }, inChunks(tarOf(through)));
    assert.deepEqual(await readdir(directory.join('outside')), []);
    assert.deepEqual(await readdir(directory.path), ['outside', 'store']);
  });

  it('a blob of a layout directory that is a link is not followed', async () => {
    await using directory = await temporaryDirectory();
    const { digest } = image.root;
    await writeFile(directory.join('secret'), image.blobs.at(-1)?.bytes ?? '');
    await mkdir(directory.join('layout', 'blobs', 'sha256'), { recursive: true });
    for (const { name, data } of good) await writeFile(directory.join('layout', name), data ?? '');
    await importArchive(memoryServices(), directory.join('layout'));
    const path = directory.join('layout', 'blobs', 'sha256', digest.slice(7));
    await rm(path);
    await symlink(directory.join('secret'), path);
    await fails(importArchive(memoryServices(), directory.join('layout')), 'not-found', 'bad-archive');
  });
});

describe('archives that contradict themselves', () => {
  it('an entry twice with different bytes, of which readers take either', async () => {
    await refused([...good, { name: 'index.json', data: '{"manifests":[]}' }], /"index.json" is there twice/);
    await refused([{ name: 'a', data: '1' }, { name: './a', data: '2' }, ...good], /"a" is there twice/);
    await refused([{ name: 'a', data: '1' }, { name: 'a', type: '2', linkName: 'b' }, ...good], /"a" is there twice/);
    await refused([{ name: 'a', type: '2', linkName: 'c' }, { name: 'a', type: '2', linkName: 'b' }, ...good], /twice/);
    await refused([{ name: 'a', type: '2', linkName: 'c' }, { name: 'a', data: '' }, ...good], /twice/);
  });

  it('a blob with other bytes than its name says', async () => {
    const wrong = good.map((entry) => (entry.name.startsWith('blobs/') ? { ...entry, data: 'wrong' } : entry));
    const services = memoryServices();
    await fails(importEntries(wrong, {}, services), 'failed-precondition', 'digest-mismatch');
    await nothingVisible(services);
    assert.deepEqual(await blobsIn(services), []);
  });

  it('a wrong blob is refused too when the right one is expected next', async () => {
    const [entry] = good.filter(({ name }) => name.startsWith('blobs/'));
    assert.ok(entry !== undefined);
    const services = memoryServices();
    const lying = [{ ...entry, data: randomBytes(Buffer.from(entry.data ?? '').byteLength, 'lie') }, ...good];
    await fails(importEntries(lying, {}, services), 'failed-precondition', 'digest-mismatch');
    await nothingVisible(services);
    await importEntries(good, {}, services);
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
  });

  it('a descriptor with another size than the blob has', async () => {
    const wrong = { ...named(image.root, full), size: image.root.size + 1 };
    const services = memoryServices();
    await fails(importEntries(layoutEntries(image.blobs, [wrong]), {}, services), 'data-loss', 'size-mismatch');
    await nothingVisible(services);
  });

  it('a document that is wrong is told as wrong at the source, wherever it was read', async () => {
    const broken = document(mediaTypes.ociManifest, { schemaVersion: 2, config: 'none' });
    const inside = layoutEntries([broken], [named(broken.descriptor, full)]);
    const outside = [{ name: 'index.json', data: '{"manifests":[{}]}' }];
    const size = layoutEntries(image.blobs, [{ ...named(image.root, full), size: 1 }]);
    for (const entries of [inside, outside, size])
      await assert.rejects(
        importEntries(entries),
        (error) => error instanceof DrayError && error.context.side === 'source',
      );
  });

  for (const size of ['-1', '9007199254740993', '4611686018427387904', '"1e3"', '1.5', 'null', '1e400'])
    it(`a descriptor with the size ${size}`, async () => {
      const index = `{"manifests":[{"mediaType":"${mediaTypes.ociManifest}","digest":"${image.root.digest}","size":${size}}]}`;
      const services = memoryServices();
      const entries = [...good.filter(({ name }) => name !== 'index.json'), { name: 'index.json', data: index }];
      await fails(importEntries(entries, {}, services), 'invalid-argument', 'bad-document');
      await nothingVisible(services);
    });

  it('a document that two readers could take for different things', async () => {
    const both = document(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: image.blobs[2]?.descriptor,
      layers: [],
      manifests: [image.root],
    });
    const services = memoryServices();
    const entries = layoutEntries([...image.blobs, both], [named(both.descriptor, full)]);
    await fails(importEntries(entries, {}, services), 'invalid-argument', 'bad-document', /could be read as an index/);
    await nothingVisible(services);
  });

  it('annotations and labels of an image do not become labels of ours', async () => {
    const evil = { 'containerd.io/gc.root': 'yes', 'containerd.io/gc.expire': '2000-01-01T00:00:00Z', 'dray.x': 'y' };
    const { services } = await importEntries(layoutEntries(image.blobs, [named(image.root, full, evil)]));
    assert.deepEqual((await services.images.get(full)).labels, {});
    for (const digest of await blobsIn(services)) {
      const { labels } = await services.content.info(digest as `a:b`);
      for (const key of Object.keys(labels)) assert.match(key, /^containerd\.io\/gc\.ref\.content\.(config|l\.\d)$/);
    }
  });
});

describe('archives that are too much', () => {
  it('a document over the limit is refused after that many bytes', async () => {
    for (const name of ['index.json', 'oci-layout', 'manifest.json', 'repositories']) {
      let given = 0;
      async function* endless() {
        yield entryBytes({ name, statedSize: 8 ** 11 - 1 });
        for (;;) {
          given += 100_000;
          yield Buffer.alloc(100_000, '[');
        }
      }
      await fails(importArchive(memoryServices(), endless()), 'invalid-argument', 'bad-document', /over the limit/);
      assert.ok(given < documentLimit + 1_000_000, `${given} bytes were read`);
    }
  });

  it('a manifest over the limit is refused by its size', async () => {
    const padded = document(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: image.root,
      layers: [],
      x: 'x'.repeat(5000),
    });
    const entries = layoutEntries([padded, ...image.blobs], [named(padded.descriptor, full)]);
    const services = memoryServices();
    const limited = importEntries(entries, { documentLimit: 4096 }, services);
    await fails(limited, 'invalid-argument', 'bad-document', /over the limit of 4096/);
    await nothingVisible(services);
  });

  it('an entry that states 2^62 bytes allocates nothing for them', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const huge = entryBytes({
      name: 'huge',
      patch: (header) => Buffer.from('80000000001fffffffffffff', 'hex').copy(header, 124),
    });
    await fails(importBytes(huge), 'data-loss', 'bad-archive', /ends within the data/);
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024);
  });

  it('too many entries, in bounded memory and time', async () => {
    const header = entryBytes({ name: 'd/' });
    const many = Buffer.concat(Array.from({ length: 1000 }, () => header));
    let given = 0;
    async function* million() {
      for (let n = 0; n < 1000; n += 1) {
        given += 1000;
        yield many;
      }
    }
    await fails(
      importArchive(memoryServices(), million()),
      'resource-exhausted',
      'bad-archive',
      /more than 100000 entries/,
    );
    assert.ok(given <= entryLimit + 1000);
  });

  it('names that are too much together', async () => {
    const long = 'n'.repeat(900_000);
    async function* names() {
      for (let n = 0; n < 100; n += 1) yield tarOf([pax({ path: `${long}${n}` }), { name: 'x' }], { end: false });
    }
    assert.ok(100 * long.length > nameLimit);
    await fails(importArchive(memoryServices(), names()), 'resource-exhausted', 'bad-archive', /names of more than/);
  });

  it('images of which a few names make many documents, or a long chain many chains', async () => {
    const layer = Buffer.alloc(1024);
    const config = { rootfs: { type: 'layers', diff_ids: Array.from({ length: 9_000 }, () => digestOf(layer)) } };
    const item = { Config: 'c', Layers: config.rootfs.diff_ids.map(() => 'l') };
    const files = [
      { name: 'c', data: JSON.stringify(config) },
      { name: 'l', data: layer },
    ];
    const some = Array.from({ length: 12 }, (_, n) => ({ ...item, RepoTags: [`a:${n}`] }));
    const docker = { name: 'manifest.json', data: JSON.stringify(some) };
    await fails(importEntries([...files, docker]), 'resource-exhausted', 'bad-archive', /more than 100000 layers/);
    const tags = Array.from({ length: 150_000 }, (_, n) => `a:${n}`);
    const one = { name: 'manifest.json', data: JSON.stringify([{ Config: 'c', Layers: item.Layers, RepoTags: tags }]) };
    await fails(importEntries([...files, one]), 'resource-exhausted', 'bad-archive', /names together/);
    const id = (n: number): string => n.toString(16).padStart(64, '0');
    const chain = Array.from({ length: 900 }, (_, n) => [
      { name: `${id(n)}/json`, data: JSON.stringify({ parent: n === 0 ? null : id(Math.min(n, 500) - 1) }) },
      { name: `${id(n)}/layer.tar`, type: '1', linkName: 'l' },
    ]);
    const tops = { a: Object.fromEntries(chain.map((_, n) => [n, id(n)])) };
    const old = [...files.slice(1), ...chain.flat(), { name: 'repositories', data: JSON.stringify(tops) }];
    await fails(importEntries(old), 'resource-exhausted', 'bad-archive', /more than 100000 layers/);
    const sameTop = { a: Object.fromEntries(tags.slice(0, 105_000).map((_, n) => [n, id(0)])) };
    const many = [...files.slice(1), ...chain.flat(), { name: 'repositories', data: JSON.stringify(sameTop) }];
    await fails(importEntries(many), 'resource-exhausted', 'bad-archive', /names together/);
  });

  it('an old archive of chains without end is given up when somebody wants that', async () => {
    const layer = { name: 'l', data: Buffer.alloc(1024) };
    const id = (n: number): string => n.toString(16).padStart(64, '0');
    const chain = Array.from({ length: 50 }, (_, n) => [
      { name: `${id(n)}/json`, data: JSON.stringify({ parent: n === 0 ? null : id(n - 1) }) },
      { name: `${id(n)}/layer.tar`, type: '1', linkName: 'l' },
    ]);
    const stop = new AbortController();
    const reason = new Error('enough');
    const services = memoryServices();
    const reader = services.content.reader.bind(services.content);
    const read = mock.method(services.content, 'reader', (...args: Parameters<typeof reader>) => {
      stop.abort(reason);
      return reader(...args);
    });
    const repositories = { name: 'repositories', data: JSON.stringify({ a: { b: id(49) } }) };
    const entries = [layer, ...chain.flat(), repositories];
    await assert.rejects(importEntries(entries, { signal: stop.signal }, services), reason);
    assert.equal(read.mock.callCount(), 1);
  });

  it('links on top of each other are followed once', async () => {
    const layer = Buffer.alloc(1024);
    const count = 9_000;
    const link = (n: number): string => `link-${n}`;
    const links = Array.from({ length: count }, (_, n) => ({ name: link(n), type: '2', linkName: link(n + 1) }));
    const diff_ids = links.map(() => digestOf(layer));
    const manifest = [{ Config: 'c', Layers: links.map(({ name }) => name), RepoTags: ['a:b'] }];
    const { result } = await importEntries([
      ...links,
      { name: link(count), data: layer },
      { name: 'c', data: JSON.stringify({ rootfs: { type: 'layers', diff_ids } }) },
      { name: 'manifest.json', data: JSON.stringify(manifest) },
    ]);
    assert.equal(result.images.length, 1);
  });

  it('an object that is listed many times is looked at once and told once', async () => {
    const services = memoryServices();
    const reader = mock.method(services.content, 'reader');
    const entries = layoutEntries(
      image.blobs,
      Array.from({ length: 1000 }, () => image.root),
    );
    const { result } = await importEntries(entries, {}, services);
    assert.deepEqual(
      result.unnamed.map(({ target }) => target.digest),
      [image.root.digest],
    );
    assert.ok(reader.mock.callCount() < 20, `${reader.mock.callCount()} reads`);
  });

  it('an archive packed out of all proportion', async () => {
    const packer = createGzip({ level: 9 });
    const zeros = Buffer.alloc(1024 * 1024);
    packer.write(entryBytes({ name: 'blobs/sha256/'.concat('a'.repeat(64)), statedSize: 8 ** 11 - 1 }));
    let written = 0;
    const pump = async (): Promise<void> => {
      for (; written < 2048 && !packer.destroyed; written += 1)
        await new Promise<void>((resolve) => packer.write(zeros, () => resolve()));
      packer.end();
    };
    void pump();
    // A store that keeps nothing: the bomb must be noticed before it is all there.
    const services = memoryServices();
    const { content } = services;
    let stored = 0;
    const forgetful = new Proxy(content, {
      get(target, key) {
        if (key !== 'writer') return Reflect.get(target, key).bind(target);
        return async (options: Parameters<typeof content.writer>[0]) => {
          const writer = await content.writer(options);
          writer.write = async (chunk) => {
            stored += chunk.byteLength;
          };
          return writer;
        };
      },
    });
    const bomb = importArchive({ ...services, content: forgetful }, packer as AsyncIterable<Uint8Array>);
    await fails(bomb, 'resource-exhausted', 'bad-archive', /unpacks to more than 500 times/);
    packer.destroy();
    assert.ok(stored < 300 * 1024 * 1024, `${stored} bytes were stored`);
    await nothingVisible(services);
  });

  it('a layer packed out of all proportion, in a docker-archive', async () => {
    const zeros = Buffer.alloc(300 * 1024 * 1024);
    const layer = zstdCompressSync(zeros);
    assert.ok(layer.byteLength * 500 < zeros.byteLength);
    const config = JSON.stringify({ rootfs: { type: 'layers', diff_ids: [digestOf(zeros)] } });
    const manifest = JSON.stringify([{ Config: 'c', RepoTags: ['a:b'], Layers: ['l'] }]);
    const services = memoryServices();
    const entries = [
      { name: 'c', data: config },
      { name: 'l', data: layer },
      { name: 'manifest.json', data: manifest },
    ];
    await fails(importEntries(entries, {}, services), 'resource-exhausted', 'bad-archive', /unpacks to more than/);
    await nothingVisible(services);
  });

  it('a packed archive in a packed archive is no archive', async () => {
    await fails(importBytes(gzipSync(gzipSync(tarOf(good)))), 'invalid-argument', 'bad-archive', /checksum/);
  });

  it('an index that is deep beyond reason', async () => {
    const indexes = [];
    let below = image.root;
    for (let n = 0; n < 40; n += 1) {
      const index = document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [below], n });
      indexes.push(index);
      below = index.descriptor;
    }
    const services = memoryServices();
    const entries = layoutEntries([...image.blobs, ...indexes], [named(below, full)]);
    await fails(importEntries(entries, {}, services), 'invalid-argument', 'bad-document', /nested deeper/);
    await nothingVisible(services);
  });

  it('an index in an index in an index, many times over, is looked at once', async () => {
    // Thirty paths to each of thirty: more ways than there are atoms, and thirty-one objects.
    const indexes = [document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [image.root] })];
    for (let n = 0; n < 28; n += 1) {
      const below = indexes.at(-1)?.descriptor;
      indexes.push(document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: Array(30).fill(below), n }));
    }
    const root = indexes.at(-1)?.descriptor ?? image.root;
    const { services } = await importEntries(layoutEntries([...image.blobs, ...indexes], [named(root, full)]));
    assert.deepEqual(await namesIn(services), { [full]: root.digest });
  });

  it('an index that says it is its own child is not the one that it names', async () => {
    const index = document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [] });
    const circle = document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [index.descriptor] });
    const lying = layoutEntries(
      [{ descriptor: index.descriptor, bytes: circle.bytes }],
      [named(index.descriptor, full)],
    );
    const services = memoryServices();
    await fails(importEntries(lying, {}, services), 'failed-precondition', 'digest-mismatch');
    await nothingVisible(services);
  });

  it('a subject that leads in a circle is not followed', async () => {
    const config = image.blobs[2]?.descriptor;
    const subject = { mediaType: mediaTypes.ociManifest, digest: `sha256:${'a'.repeat(64)}`, size: 7 };
    const loop = document(mediaTypes.ociManifest, { schemaVersion: 2, config, layers: [], subject });
    const entries = layoutEntries([...image.blobs, loop], [named(loop.descriptor, full)]);
    const { services } = await importEntries(entries);
    assert.deepEqual(await namesIn(services), { [full]: loop.descriptor.digest });
  });
});

type Change = (bytes: Buffer) => Buffer;

function setByte(at: number, to: number): Change {
  return (bytes) => Buffer.concat([bytes.subarray(0, at), Buffer.from([to]), bytes.subarray(at + 1)]);
}

function copyBlock(from: number, to: number): Change {
  return (bytes) => {
    const block = bytes.subarray(from * 512, from * 512 + 512);
    return Buffer.concat([bytes.subarray(0, to * 512), block, bytes.subarray(to * 512 + 512)]);
  };
}

function dropBlock(block: number): Change {
  return (bytes) => Buffer.concat([bytes.subarray(0, block * 512), bytes.subarray(block * 512 + 512)]);
}

function cutAt(size: number): Change {
  return (bytes) => bytes.subarray(0, size);
}

describe('archives that are damaged', () => {
  const bytes = tarOf(good);

  it('cut at every border of a block: an error, and nothing visible', async () => {
    for (let size = 0; size < bytes.byteLength; size += 512) {
      const services = memoryServices();
      await fails(importBytes(bytes.subarray(0, size), {}, services), 'data-loss', 'bad-archive');
      await nothingVisible(services);
    }
  });

  it('cut anywhere while packed: an error, and nothing visible', async () => {
    for (const packed of [gzipSync(bytes), zstdCompressSync(bytes)]) {
      for (let size = 6; size < packed.byteLength; size += 97) {
        const services = memoryServices();
        await fails(importBytes(packed.subarray(0, size), {}, services), 'data-loss', 'bad-archive');
        await nothingVisible(services);
      }
    }
  });

  it('what dray writes, cut at every border of a block', async () => {
    const { content } = memoryServices();
    await putBlobs(content, image.blobs);
    const written = await exportBytes(content, [{ target: image.root, names: [full] }]);
    for (let size = 0; size < written.byteLength; size += 512) {
      const services = memoryServices();
      await fails(importBytes(written.subarray(0, size), {}, services), 'data-loss', 'bad-archive');
      await nothingVisible(services);
    }
  });

  it('changed anywhere: the documented errors or the right image, never another one', async () => {
    const known = new Set<string>(image.blobs.map(({ descriptor }) => descriptor.digest));
    const block = fc.nat(bytes.byteLength / 512 - 1);
    const change = fc.oneof(
      fc.tuple(fc.nat(bytes.byteLength - 1), fc.nat(255)).map(([at, to]) => setByte(at, to)),
      fc.tuple(block, block).map(([from, to]) => copyBlock(from, to)),
      block.map(dropBlock),
      fc.nat(bytes.byteLength).map(cutAt),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const damaged = changes.reduce((out, one) => one(out), bytes);
        const services = memoryServices();
        try {
          await importBytes(damaged, { documentLimit: 100_000 }, services);
        } catch (error) {
          assert.ok(error instanceof DrayError, String(error));
          assert.ok(
            ['invalid-argument', 'not-found', 'data-loss', 'failed-precondition'].includes(error.kind),
            error.kind,
          );
          await nothingVisible(services);
        }
        // A changed name in the index may stay a name; what it stands for is whole and unchanged.
        for (const digest of Object.values(await namesIn(services))) assert.ok(known.has(digest));
      }),
      { numRuns: 500 },
    );
  });
});
