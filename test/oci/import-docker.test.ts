import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { readBlob } from '../../src/content/copy.ts';
import { collect, readDocument } from '../../src/content/documents.ts';
import type { Services } from '../../src/services/services.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { parseManifest } from '../../src/spec/documents.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { blobsIn, fails, importEntries, namesIn } from './images.ts';
import { type EntrySpec, tarOf } from './tar-builder.ts';

const layerA = tarOf([{ name: 'etc/' }, { name: 'etc/a', data: 'a'.repeat(3000) }]);
const layerB = tarOf([{ name: 'b', data: 'b' }]);

function configOf(layers: readonly Uint8Array[], more: Record<string, unknown> = {}): string {
  const diff_ids = layers.map((layer) => digestOf(layer));
  return JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids },
    ...more,
  });
}

function manifests(...items: { Config?: string; RepoTags?: string[] | null; Layers?: string[] | null }[]): EntrySpec {
  const whole = items.map((item) => ({
    Config: 'config.json',
    RepoTags: ['lab/app:v1'],
    Layers: ['a.tar', 'b.tar'],
    ...item,
  }));
  return { name: 'manifest.json', data: JSON.stringify(whole) };
}

const config: EntrySpec = { name: 'config.json', data: configOf([layerA, layerB]) };
const a: EntrySpec = { name: 'a.tar', data: layerA };
const b: EntrySpec = { name: 'b.tar', data: layerB };
const name = 'docker.io/lab/app:v1';

async function manifestOf(services: Services, image = name): Promise<{ text: string; types: string[] }> {
  const { target } = await services.images.get(image);
  const bytes = await readDocument(services.content, target);
  const { layers } = parseManifest(bytes);
  return { text: Buffer.from(bytes).toString(), types: layers.map(({ mediaType }) => mediaType.replace(/.*diff/, '')) };
}

describe('import of a docker-archive', () => {
  it('makes the manifest that containerd makes, byte for byte', async () => {
    const { services, result } = await importEntries([config, a, b, manifests({})]);
    assert.equal(result.format, 'docker');
    assert.deepEqual(Object.keys(await namesIn(services)), [name]);
    const of = (data: EntrySpec['data']): string => {
      const bytes = Buffer.from(data ?? '');
      return `"digest":"${digestOf(bytes)}","size":${bytes.byteLength}`;
    };
    const layer = '"mediaType":"application/vnd.docker.image.rootfs.diff.tar"';
    assert.equal(
      (await manifestOf(services)).text,
      '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",' +
        `"config":{"mediaType":"application/vnd.docker.container.image.v1+json",${of(config.data)}},` +
        `"layers":[{${layer},${of(layerA)}},{${layer},${of(layerB)}}]}`,
    );
    const { target } = await services.images.get(name);
    assert.deepEqual(target.platform, { architecture: 'amd64', os: 'linux' });
    const { labels } = await services.content.info(target.digest);
    assert.equal(Object.keys(labels).length, 3);
  });

  it('takes any order of entries, and names with ./ in front', async () => {
    const entries = [manifests({}), b, a, config].map((entry) => ({ ...entry, name: `./${entry.name}` }));
    const { services } = await importEntries(entries);
    assert.deepEqual(Object.keys(await namesIn(services)), [name]);
  });

  it('takes keys in any case, as Docker does: some builders write them in lower case', async () => {
    const data = '[{"config":"config.json","repoTags":["lab/app:v1"],"layers":["a.tar","b.tar"]}]';
    const { services } = await importEntries([config, a, b, { name: 'manifest.json', data }]);
    assert.deepEqual((await manifestOf(services)).types, ['.tar', '.tar']);
  });

  it('canonicalises tags, and one image may have several or none', async () => {
    // The last has the digest of another manifest than the one that is made.
    const RepoTags = ['app', 'localhost:5000/x:2', 'docker.io/library/y@sha256:'.concat('a'.repeat(64))];
    const { services } = await importEntries([config, a, b, manifests({ RepoTags })]);
    assert.deepEqual(Object.keys(await namesIn(services)), ['docker.io/library/app:latest', 'localhost:5000/x:2']);
    for (const none of [null, []]) {
      const { result } = await importEntries([config, a, b, manifests({ RepoTags: none })]);
      assert.deepEqual(result.images, []);
      assert.equal(result.unnamed.length, 1);
    }
  });

  it('a tag that is no reference names nothing, and the image is reported', async () => {
    const { services, result } = await importEntries([config, a, b, manifests({ RepoTags: ['UPPER:1'] })]);
    assert.deepEqual(await namesIn(services), {});
    assert.deepEqual(
      result.unnamed.map(({ refName }) => refName),
      ['UPPER:1'],
    );
  });

  it('follows symbolic and hard links, however many, in any order', async () => {
    const entries: EntrySpec[] = [
      { name: 'one/layer.tar', type: '2', linkName: '../two/layer.tar' },
      { name: 'two/layer.tar', type: '2', linkName: '../three/./layer.tar' },
      { name: 'three/layer.tar', data: layerA },
      { name: 'hard.tar', type: '1', linkName: './three/layer.tar', statedSize: layerA.byteLength },
      { name: 'config.json', data: configOf([layerA, layerA]) },
      manifests({ Layers: ['one/layer.tar', 'hard.tar'] }),
    ];
    const { services } = await importEntries(entries);
    assert.deepEqual((await manifestOf(services)).types, ['.tar', '.tar']);
  });

  it('tells packed layers by their content and verifies what they unpack to', async () => {
    const entries = [
      config,
      { name: 'a.tar', data: gzipSync(layerA) },
      { name: 'b.tar', data: zstdCompressSync(layerB) },
    ];
    const { services } = await importEntries([...entries, manifests({})]);
    assert.deepEqual((await manifestOf(services)).types, ['.tar.gzip', '.tar.zstd']);
    const swapped = [config, { name: 'b.tar', data: gzipSync(layerA) }, { name: 'a.tar', data: gzipSync(layerB) }];
    await fails(importEntries([...swapped, manifests({})]), 'data-loss', 'digest-mismatch', /unpacks to/);
  });

  it('an empty layer file is a layer', async () => {
    const empty = new Uint8Array(0);
    const entries = [
      { name: 'config.json', data: configOf([empty]) },
      { name: 'a.tar', data: empty },
    ];
    const { services } = await importEntries([...entries, manifests({ Layers: ['a.tar'] })]);
    assert.deepEqual((await manifestOf(services)).types, ['.tar']);
  });

  it('an image without layers is one', async () => {
    const { services } = await importEntries([
      { name: 'config.json', data: configOf([]) },
      manifests({ Layers: null }),
    ]);
    assert.deepEqual((await manifestOf(services)).types, []);
  });

  it('compresses layers when asked, and finds them the next time', async () => {
    const entries = [config, a, b, manifests({})];
    const { services } = await importEntries(entries, { recompress: 'gzip' });
    const first = await manifestOf(services);
    assert.deepEqual(first.types, ['.tar.gzip', '.tar.gzip']);
    const [layer] = parseManifest(Buffer.from(first.text)).layers;
    assert.ok(layer !== undefined);
    const { labels } = await services.content.info(layer.digest);
    assert.deepEqual(labels, { 'containerd.io/uncompressed': digestOf(layerA) });
    assert.equal((await collect(readBlob(services.content, layer)))[0], 0x1f);
    const blobs = await blobsIn(services);
    const again = await importEntries(entries, { recompress: 'gzip' }, services);
    assert.deepEqual(again.result.images[0]?.outcome, 'exists');
    assert.deepEqual(await blobsIn(services), blobs);
    const zstd = await importEntries(entries, { recompress: 'zstd', overwrite: true }, services);
    assert.deepEqual((await manifestOf(zstd.services)).types, ['.tar.zstd', '.tar.zstd']);
  });

  it('prefers an image layout, and falls back when that lists nothing', async () => {
    const layout = { name: 'oci-layout', data: '{"imageLayoutVersion": "1.0.0"}' };
    const empty = { name: 'index.json', data: '{"schemaVersion":2,"manifests":null}' };
    const { result } = await importEntries([config, a, b, layout, empty, manifests({})]);
    assert.equal(result.format, 'docker');
  });

  const refused: readonly [string, EntrySpec[], RegExp, ('bad-archive' | 'digest-mismatch')?][] = [
    ['null in place of images', [{ name: 'manifest.json', data: 'null' }], /manifest.json/],
    ['no images', [{ name: 'manifest.json', data: '[]' }], /lists no image/],
    ['no JSON', [{ name: 'manifest.json', data: '[{' }], /not JSON/],
    ['the wrong shape', [{ name: 'manifest.json', data: '[{"Config":7}]' }], /manifest.json/],
    [
      'fewer layers than the config names',
      [config, a, b, manifests({ Layers: ['a.tar'] })],
      /names 2 layers, and there are 1/,
    ],
    [
      'links in a circle',
      [
        config,
        { name: 'a.tar', type: '2', linkName: 'b.tar' },
        { name: 'b.tar', type: '2', linkName: 'a.tar' },
        manifests({}),
      ],
      /circle/,
    ],
    [
      'a link out of the archive',
      [config, { name: 'a.tar', type: '2', linkName: '../../etc/passwd' }, b, manifests({})],
      /leads out/,
    ],
    [
      'an absolute link',
      [config, { name: 'a.tar', type: '2', linkName: '/etc/passwd' }, b, manifests({})],
      /leads out/,
    ],
    [
      'a key that is there twice, of which readers take either',
      [config, a, b, { name: 'manifest.json', data: '[{"Config":"config.json","Config":"a.tar"}]' }],
      /"Config" twice/,
    ],
    [
      'a key that is there in another case too, of which readers take either',
      [config, a, b, { name: 'manifest.json', data: '[{"Config":"config.json","Layers":["a.tar"],"layers":[]}]' }],
      /"layers" for another key/,
    ],
    [
      'a key that is there twice in other cases',
      [config, a, b, { name: 'manifest.json', data: '[{"config":"config.json","CONFIG":"a.tar"}]' }],
      /"CONFIG" for another key/,
    ],
    [
      'a byte order mark, which some readers take',
      [config, a, b, { name: 'manifest.json', data: `\ufeff${manifests({}).data}` }],
      /not JSON/,
    ],
    ['a layer out of the archive', [config, a, b, manifests({ Layers: ['../a.tar', 'b.tar'] })], /leads out/],
  ];
  for (const [what, entries, message] of refused)
    it(`refuses ${what}`, async () => {
      const services = memoryServices();
      await fails(importEntries(entries, {}, services), 'invalid-argument', 'bad-archive', message);
      assert.deepEqual(await namesIn(services), {});
    });

  it('refuses a layer or a config that is not there, a dangling link too', async () => {
    await fails(importEntries([config, a, manifests({})]), 'not-found', 'bad-archive', /"b.tar" is not in it/);
    await fails(importEntries([a, b, manifests({})]), 'not-found', 'bad-archive', /"config.json"/);
    const dangling = { name: 'b.tar', type: '2', linkName: 'nowhere' };
    await fails(importEntries([config, a, dangling, manifests({})]), 'not-found', 'bad-archive');
  });

  it('refuses a layer that is another than the config says, also in its place', async () => {
    const swapped = manifests({ Layers: ['b.tar', 'a.tar'] });
    await fails(importEntries([config, a, b, swapped]), 'data-loss', 'digest-mismatch');
  });
});

describe('import of an archive of Docker before 1.10', () => {
  const base = 'b'.repeat(64);
  const top = 'a'.repeat(64);
  const json = (id: string, more: Record<string, unknown> = {}): EntrySpec => ({
    name: `${id}/json`,
    data: JSON.stringify({
      id,
      created: '2014-01-01T00:00:00Z',
      container_config: { Cmd: ['/bin/sh', '-c', id[0]] },
      ...more,
    }),
  });
  const repositories = (value: unknown): EntrySpec => ({ name: 'repositories', data: JSON.stringify(value) });
  const chain = [
    json(top, { parent: base, os: 'linux', architecture: 'arm', author: 'me', config: { Cmd: ['run'] }, Size: 7 }),
    json(base),
    { name: `${top}/layer.tar`, data: layerB },
    { name: `${base}/layer.tar`, data: layerA },
    { name: `${top}/VERSION`, data: '1.0' },
  ];

  it('makes config and manifest from the chain of layers', async () => {
    const tagged = repositories({ 'lab/old': { v1: top, v2: top }, base: { latest: base } });
    const { services, result } = await importEntries([...chain, tagged]);
    assert.equal(result.format, 'docker-v1');
    assert.deepEqual(Object.keys(await namesIn(services)), [
      'docker.io/lab/old:v1',
      'docker.io/lab/old:v2',
      'docker.io/library/base:latest',
    ]);
    const { text } = await manifestOf(services, 'docker.io/lab/old:v1');
    const manifest = parseManifest(Buffer.from(text));
    assert.deepEqual(
      manifest.layers.map(({ digest }) => digest),
      [digestOf(layerA), digestOf(layerB)],
    );
    const made = JSON.parse(Buffer.from(await readDocument(services.content, manifest.config)).toString());
    assert.deepEqual(made, {
      architecture: 'arm',
      author: 'me',
      config: { Cmd: ['run'] },
      container_config: { Cmd: ['/bin/sh', '-c', 'a'] },
      created: '2014-01-01T00:00:00Z',
      history: [
        { created: '2014-01-01T00:00:00Z', created_by: '/bin/sh -c b' },
        { created: '2014-01-01T00:00:00Z', created_by: '/bin/sh -c a', author: 'me' },
      ],
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(layerA), digestOf(layerB)] },
    });
  });

  it('refuses IDs that are paths, circles of parents, and layers that are not there', async () => {
    for (const id of ['../../../etc', 'x', `${'a'.repeat(63)}/`, 'A'.repeat(64)])
      await fails(importEntries([repositories({ x: { y: id } })]), 'invalid-argument', 'bad-archive', /no layer ID/);
    const circle = [json(top, { parent: top }), { name: `${top}/layer.tar`, data: layerA }];
    await fails(
      importEntries([...circle, repositories({ x: { y: top } })]),
      'invalid-argument',
      'bad-archive',
      /1000 layers/,
    );
    const lacking = [...chain.slice(0, 3), repositories({ x: { y: top } })];
    await fails(importEntries(lacking), 'not-found', 'bad-archive', /is not in it/);
    for (const bad of [[], { x: 'y' }, { x: { y: 1 } }, null])
      await fails(importEntries([repositories(bad)]), 'invalid-argument', 'bad-archive', /wrong shape/);
    await fails(importEntries([repositories({})]), 'invalid-argument', 'bad-archive', /no image/);
  });
});
