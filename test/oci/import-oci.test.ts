import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { selectPlatforms } from '../../src/client/select.ts';
import { importArchive } from '../../src/oci/import.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { document, randomBlob, randomImage } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import {
  blobsIn,
  fails,
  importBytes,
  importEntries,
  ingestsIn,
  layoutEntries,
  named,
  namesIn,
  putBlobs,
} from './images.ts';
import { inChunks, pax, tarOf } from './tar-builder.ts';

const image = randomImage({ seed: 'import', layers: [300_000, 5] });
const multi = randomImage({ seed: 'multi', platforms: ['linux/amd64', 'linux/arm64', 'windows/amd64'] });
const full = 'registry.example.com/team/app:1.0';

function entriesOf(name = full, of = image) {
  return layoutEntries(of.blobs, [named(of.root, name)]);
}

describe('import of an image layout', () => {
  it('names the image, keeps its content, and labels the graph', async () => {
    const { services, result } = await importEntries(entriesOf());
    assert.equal(result.format, 'oci');
    assert.deepEqual(
      result.images.map(({ name, outcome }) => [name, outcome]),
      [[full, 'created']],
    );
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
    assert.deepEqual(await blobsIn(services), image.blobs.map(({ descriptor }) => descriptor.digest).sort());
    const { labels } = await services.content.info(image.root.digest);
    const [first, second, config] = image.blobs.map(({ descriptor }) => descriptor.digest);
    assert.deepEqual(labels, {
      'containerd.io/gc.ref.content.config': config,
      'containerd.io/gc.ref.content.l.0': first,
      'containerd.io/gc.ref.content.l.1': second,
    });
    assert.deepEqual(await ingestsIn(services), []);
  });

  it('does not keep the naming annotations on the target, but keeps others', async () => {
    const root = named(image.root, full, { 'org.example.kept': 'yes' });
    const { services } = await importEntries(layoutEntries(image.blobs, [root]));
    assert.deepEqual((await services.images.get(full)).target, {
      ...image.root,
      annotations: { 'org.example.kept': 'yes' },
    });
  });

  it('takes any order of entries, ./ prefixes, directories, and repeated entries that are the same', async () => {
    const entries = entriesOf();
    const reversed = [...entries].reverse().map((entry) => ({ ...entry, name: `./${entry.name}` }));
    const { services } = await importEntries([{ name: './' }, { name: './blobs/' }, ...reversed, ...entries]);
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
  });

  it('takes a layout without an oci-layout file, as other tools do', async () => {
    const { services } = await importEntries(entriesOf().filter(({ name }) => name !== 'oci-layout'));
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
  });

  it('unpacks gzip and zstd, also in several members and frames', async () => {
    const bytes = tarOf(entriesOf());
    const half = bytes.subarray(0, 1000);
    const rest = bytes.subarray(1000);
    for (const packed of [
      gzipSync(bytes),
      zstdCompressSync(bytes),
      Buffer.concat([gzipSync(half), gzipSync(rest)]),
      Buffer.concat([zstdCompressSync(half), zstdCompressSync(rest)]),
    ]) {
      const { services } = await importBytes(packed);
      assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
    }
  });

  it('reads a large index as it is, whose memory is used again while it is read', async () => {
    await using directory = await temporaryDirectory();
    const note = Array.from({ length: 400_000 }, (_, line) => `line ${line}`).join();
    const entries = layoutEntries(image.blobs, [named(image.root, full, { note })]);
    await writeFile(directory.join('image.tar'), tarOf(entries));
    const services = memoryServices();
    await importArchive(services, directory.join('image.tar'));
    assert.equal((await services.images.get(full)).target.annotations?.['note'], note);
  });

  it('what follows the end mark means nothing, and is read only as far as padding goes', async () => {
    const second = tarOf(layoutEntries(multi.blobs, [named(multi.root, 'registry.example.com/smuggled:1')]));
    for (const behind of [second, Buffer.from('garbage'), Buffer.alloc(9000)]) {
      const { services } = await importBytes(Buffer.concat([tarOf(entriesOf()), behind]));
      assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
    }
    let given = 0;
    async function* endless() {
      yield tarOf(entriesOf());
      for (;;) {
        given += 100_000;
        yield Buffer.alloc(100_000);
      }
    }
    await importArchive(memoryServices(), endless());
    assert.ok(given >= 1_000_000 && given < 2_000_000, `${given} bytes were read`);
  });

  it('a packed archive is read to the checksum at its end', async () => {
    const packed = gzipSync(tarOf(entriesOf()));
    for (const cut of [1, 4, 8]) {
      const services = memoryServices();
      const short = importBytes(packed.subarray(0, packed.byteLength - cut), {}, services);
      await fails(short, 'data-loss', 'bad-archive');
      assert.deepEqual(await namesIn(services), {});
    }
    packed[packed.byteLength - 6] = (packed[packed.byteLength - 6] ?? 0) ^ 1;
    await fails(importBytes(packed), 'invalid-argument', 'bad-archive', /damaged/);
  });

  it('takes the directory of an unpacked docker-archive', async () => {
    await using directory = await temporaryDirectory();
    const layer = Buffer.from('no tar file, and nobody asks');
    const config = JSON.stringify({ rootfs: { type: 'layers', diff_ids: [digestOf(layer)] } });
    await mkdir(directory.join('abc'));
    await writeFile(directory.join('abc', 'layer.tar'), layer);
    await symlink('abc/layer.tar', directory.join('link.tar'));
    await writeFile(directory.join('config.json'), config);
    const manifests = [{ Config: 'config.json', RepoTags: ['lab/app:v1'], Layers: ['link.tar'] }];
    await writeFile(directory.join('manifest.json'), JSON.stringify(manifests));
    const services = memoryServices();
    const { format } = await importArchive(services, directory.path);
    assert.equal(format, 'docker');
    assert.deepEqual(Object.keys(await namesIn(services)), ['docker.io/lab/app:v1']);
  });

  it('what other tools leave in a layout directory is not taken', async () => {
    await using directory = await temporaryDirectory();
    await mkdir(directory.join('blobs', 'sha256'), { recursive: true });
    await mkdir(directory.join('ingest'));
    for (const { name, data } of entriesOf()) await writeFile(directory.join(name), data ?? '');
    for (const name of [
      'ingest/x',
      'oci-put-blob123',
      '.lock',
      'index.json.1.tmp',
      'blobs/sha256/x.tmp',
      'blobs/sha256/abc',
    ])
      await writeFile(directory.join(name), name);
    const services = memoryServices();
    await importArchive(services, directory.path);
    assert.deepEqual(await blobsIn(services), image.blobs.map(({ descriptor }) => descriptor.digest).sort());
  });

  it('refuses xz and bzip2 by name', async () => {
    await fails(importBytes(Buffer.from('fd377a585a0000', 'hex')), 'not-implemented', /xz/);
    await fails(importBytes(Buffer.from('BZh91AY&SY')), 'not-implemented', /bzip2/);
  });

  it('takes in blobs that nothing refers to, and other files, unlabelled', async () => {
    const stray = randomBlob(100, 'stray');
    const readme = Buffer.from('read me');
    const entries = [...entriesOf(), ...layoutEntries([stray], []).slice(1, 2), { name: 'docs/README', data: readme }];
    const { services } = await importEntries(entries);
    const found = await blobsIn(services);
    assert.ok(found.includes(stray.descriptor.digest) && found.includes(digestOf(readme)));
    assert.deepEqual((await services.content.info(stray.descriptor.digest)).labels, {});
  });

  for (const algorithm of ['sha512', 'blake3'] as const)
    it(`takes blobs under ${algorithm} digests`, async () => {
      const layer = Buffer.from('a layer under another algorithm');
      const digest = digestOf(layer, algorithm);
      const config = document(mediaTypes.ociConfig, { os: 'linux', architecture: 'amd64' });
      const layers = [{ mediaType: mediaTypes.ociLayer, digest, size: layer.byteLength }];
      const root = document(mediaTypes.ociManifest, { schemaVersion: 2, config: config.descriptor, layers });
      const path = `blobs/${digest.replace(':', '/')}`;
      const entries = [...layoutEntries([config, root], [named(root.descriptor, full)]), pax({ path })];
      const { services } = await importEntries([...entries, { name: 'short', data: layer }]);
      assert.equal((await services.content.info(digest)).size, layer.byteLength);
      const wrong = importEntries([...entries, { name: 'short', data: 'another layer of the same size.' }]);
      await fails(wrong, 'failed-precondition', 'digest-mismatch', /entry "blobs.*the digest in its name/);
    });

  it('importing again writes nothing, and says that the names exist', async () => {
    const bytes = tarOf(entriesOf());
    const { services } = await importBytes(bytes);
    const before = await Promise.all((await blobsIn(services)).map((digest) => services.content.info(digest as `a:b`)));
    const images = await services.images.get(full);
    const { result } = await importBytes(bytes, {}, services);
    assert.deepEqual(
      result.images.map(({ outcome }) => outcome),
      ['exists'],
    );
    const after = await Promise.all((await blobsIn(services)).map((digest) => services.content.info(digest as `a:b`)));
    assert.deepEqual(after, before);
    assert.deepEqual(await services.images.get(full), images);
  });

  it('says what it takes in', async () => {
    const seen: string[] = [];
    const { services } = await importEntries(entriesOf(), {
      onEvent: ({ state, offset, size }) => state !== 'active' && seen.push(`${state} ${offset}/${size}`),
    });
    assert.deepEqual(seen.sort(), image.blobs.map(({ descriptor: { size } }) => `stored ${size}/${size}`).sort());
    seen.length = 0;
    await importEntries(entriesOf(), { onEvent: ({ state }) => seen.push(state) }, services);
    assert.deepEqual(seen, Array(4).fill('exists'));
  });

  it('stops at once when it is given up, and leaves nothing half-stored and no name', async () => {
    const services = memoryServices();
    const stop = new AbortController();
    const reason = new Error('enough');
    async function* endless() {
      yield* inChunks(tarOf(entriesOf(), { end: false }).subarray(0, 100_000), 1000);
      stop.abort(reason);
      await new Promise(() => {});
    }
    await assert.rejects(importArchive(services, endless(), { signal: stop.signal }), reason);
    assert.deepEqual(await namesIn(services), {});
    assert.deepEqual(await ingestsIn(services), []);
  });

  it('hands on what the source throws, and gives the source back', async () => {
    const failure = new Error('the pipe broke');
    let closed = false;
    async function* broken() {
      try {
        yield tarOf(entriesOf()).subarray(0, 5000);
        throw failure;
      } finally {
        closed = true;
      }
    }
    await assert.rejects(importArchive(memoryServices(), broken()), failure);
    assert.ok(closed);
  });
});

describe('import: what has to be there', () => {
  it('of an index what is there is enough, and each manifest has to be whole', async () => {
    const arm = multi.blobs.slice(4, 8);
    const index = multi.blobs.slice(-1);
    const { services } = await importEntries(layoutEntries([...arm, ...index], [named(multi.root, full)]));
    const { labels } = await services.content.info(multi.root.digest);
    assert.deepEqual(labels, { 'containerd.io/gc.ref.content.m.1': arm[3]?.descriptor.digest });
    const broken = layoutEntries([...arm.slice(1), ...index], [named(multi.root, full)]);
    await fails(importEntries(broken), 'not-found', 'bad-archive', /is not in it/);
    await fails(
      importEntries(layoutEntries(index, [named(multi.root, full)])),
      'not-found',
      'bad-archive',
      /none is in it/,
    );
  });

  it('with platforms those have to be whole and only those are kept', async () => {
    const all = layoutEntries(multi.blobs, [named(multi.root, full)]);
    const select = selectPlatforms(['linux/arm64']);
    const { services } = await importEntries(all, { select });
    assert.deepEqual(Object.keys((await services.content.info(multi.root.digest)).labels), [
      'containerd.io/gc.ref.content.m.1',
    ]);
    const sparse = layoutEntries([...multi.blobs.slice(4, 8), ...multi.blobs.slice(-1)], [named(multi.root, full)]);
    await importEntries(sparse, { select });
    await fails(importEntries(sparse, { select: selectPlatforms('all') }), 'not-found', 'bad-archive');
    await fails(importEntries(all, { select: selectPlatforms(['plan9/386']) }), 'not-found', /plan9\/386/);
  });

  it('a narrower import takes nothing from a wider one', async () => {
    const all = layoutEntries(multi.blobs, [named(multi.root, full)]);
    const { services } = await importEntries(all);
    const { labels } = await services.content.info(multi.root.digest);
    await importEntries(all, { select: selectPlatforms(['linux/arm64']) }, services);
    assert.deepEqual((await services.content.info(multi.root.digest)).labels, labels);
    assert.equal(Object.keys(labels).length, 3);
  });

  it('a manifest that the archive itself lists is taken whatever its platform', async () => {
    const other = { ...image.root, platform: { os: 'plan9', architecture: '386' } };
    const { services } = await importEntries(layoutEntries(image.blobs, [named(other, full)]), {
      select: selectPlatforms(['linux/amd64']),
    });
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
  });

  it('a missing layer is an error, or allowed when asked; content in the store counts', async () => {
    const lacking = layoutEntries(image.blobs.slice(1), [named(image.root, full)]);
    await fails(importEntries(lacking), 'not-found', 'bad-archive', /is not in it/);
    const { services } = await importEntries(lacking, { missing: 'skip' });
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
    const held = memoryServices();
    await putBlobs(held.content, image.blobs.slice(0, 1));
    await importEntries(lacking, {}, held);
    assert.deepEqual(await namesIn(held), { [full]: image.root.digest });
  });

  it('a missing root is an error, unless missing content is allowed', async () => {
    const lacking = layoutEntries([], [named(image.root, full)]);
    await fails(importEntries(lacking), 'not-found', 'bad-archive');
    const { services } = await importEntries(lacking, { missing: 'skip' });
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
  });

  it('objects of types that nobody knows are taken as they are', async () => {
    const odd = randomBlob(50, 'odd', 'application/x.odd+xml');
    const { services } = await importEntries(layoutEntries([odd], [named(odd.descriptor, full)]));
    assert.deepEqual(await namesIn(services), { [full]: odd.descriptor.digest });
  });

  it('referrers get no name and are kept by their subject', async () => {
    const referrer = document(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: image.blobs[2]?.descriptor,
      layers: [],
      subject: image.root,
    });
    const annotations = { 'io.containerd.manifest.subject': image.root.digest, 'io.containerd.image.name': 'x/y:1' };
    const { services, result } = await importEntries(
      layoutEntries([...image.blobs, referrer], [named(image.root, full), { ...referrer.descriptor, annotations }]),
    );
    assert.deepEqual(await namesIn(services), { [full]: image.root.digest });
    assert.deepEqual(result.unnamed, []);
    const { labels } = await services.content.info(image.root.digest);
    const short = referrer.descriptor.digest.slice(7, 19);
    assert.equal(labels[`containerd.io/gc.ref.content.referrer.sha256.${short}`], referrer.descriptor.digest);
  });
});

describe('import: what is no layout', () => {
  const refused: readonly [string, Parameters<typeof importEntries>[0], RegExp][] = [
    ['nothing at all', [], /neither index.json/],
    ['other files', [{ name: 'README', data: 'x' }], /neither index.json/],
    ['an index without images', layoutEntries(image.blobs, []), /lists no image/],
    [
      'another version of the layout',
      [...entriesOf().slice(1), { name: 'oci-layout', data: '{"imageLayoutVersion":"1.1.0"}' }],
      /unknown version "1.1.0"/,
    ],
  ];
  for (const [what, entries, message] of refused)
    it(what, async () => {
      const services = memoryServices();
      await fails(importEntries(entries, {}, services), 'invalid-argument', 'bad-archive', message);
      assert.deepEqual(await namesIn(services), {});
    });

  for (const [what, data] of [
    ['not JSON', '{"schemaVersion":2,'],
    ['an array', '[]'],
    ['null', 'null'],
    ['of the wrong shape', '{"manifests":[{"digest":"sha256:zz"}]}'],
    ['also a manifest', JSON.stringify({ manifests: [], layers: [], config: image.root })],
  ] as const)
    it(`an index.json that is ${what}`, async () => {
      const entries = [...entriesOf().filter(({ name }) => name !== 'index.json'), { name: 'index.json', data }];
      await fails(importEntries(entries), 'invalid-argument', 'bad-document');
    });
});
