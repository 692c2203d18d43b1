import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { because } from '../../src/errors.ts';
import {
  type ConversionMode,
  type ConversionOptions,
  type ConvertedImage,
  convertDocument,
  emptyLayer,
  layersToRead,
  parseSchema1,
  type ReadLayer,
  readLayer,
} from '../../src/schema1/index.ts';
import { type Digest, digestOf } from '../../src/spec/digest.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { idOf, layerOf, payloadOf, type Step } from './documents.ts';

const [a, b, c] = ['a', 'b', 'c'].map((name) => gzipSync(layerOf(name))) as [Buffer, Buffer, Buffer];

/** A conversion of layers that are at hand. */
async function convert(
  steps: readonly Step[],
  options: ConversionOptions = {},
  more: Record<string, unknown> = {},
): Promise<ConvertedImage & { readonly said: Record<string, never>; readonly names: string[] }> {
  const manifest = parseSchema1(payloadOf(steps, more));
  const layers = new Map<Digest, ReadLayer>();
  for (const { layer } of steps) layers.set(digestOf(layer), { ...(await look(layer)), size: layer.byteLength });
  const made = convertDocument(manifest, layers, options);
  const said = JSON.parse(Buffer.from(made.config.bytes).toString());
  return { ...made, said, names: made.layers.map(({ digest }) => digest) };
}

function look(bytes: Uint8Array): ReturnType<typeof readLayer> {
  return readLayer(
    (async function* () {
      yield bytes;
    })(),
  );
}

const refused = (what: RegExp) => (error: unknown) => because(error, 'bad-document') && what.test(error.message);
const modes: readonly ConversionMode[] = ['containerd', 'skopeo'];
const names = (...layers: readonly Uint8Array[]): string[] => layers.map((layer) => digestOf(layer));

describe('a conversion of schema 1', () => {
  for (const mode of modes)
    it(`lists layers and their diff IDs oldest first, with the history of all: ${mode}`, async () => {
      const steps = [{ layer: a }, { layer: emptyLayer, history: { throwaway: true } }, { layer: b }];
      const { said, names: found } = await convert(steps, { mode });
      assert.deepEqual(found, names(a, b));
      const { rootfs, history } = said as Record<string, never>;
      assert.deepEqual(rootfs, { type: 'layers', diff_ids: names(layerOf('a'), layerOf('b')) });
      assert.deepEqual(history, [
        { created: '2016-01-02T03:04:00Z', created_by: '/bin/sh -c step 0' },
        { created: '2016-01-02T03:04:01Z', created_by: '/bin/sh -c step 1', empty_layer: true },
        { created: '2016-01-02T03:04:02Z', created_by: '/bin/sh -c step 2' },
      ]);
    });

  it('tells gzip, zstd and plain layers apart by what they are', async () => {
    const plain = layerOf('plain');
    const steps = [{ layer: a }, { layer: plain }, { layer: zstdCompressSync(layerOf('z')) }];
    const types = async (options: ConversionOptions): Promise<string[]> =>
      (await convert(steps, options)).layers.map(({ mediaType }) => mediaType.replace(/^application\/vnd\./, ''));
    const docker = ['', '.gzip', '.zstd'].map((ending) => `docker.image.rootfs.diff.tar${ending}`);
    const oci = ['', '+gzip', '+zstd'].map((ending) => `oci.image.layer.v1.tar${ending}`);
    const inOrder = ([none, gzip, zstd]: string[]): unknown[] => [gzip, none, zstd];
    assert.deepEqual(await types({ mode: 'containerd', family: 'oci' }), inOrder(docker));
    assert.deepEqual(await types({ mode: 'containerd', family: 'docker' }), inOrder(docker));
    assert.deepEqual(await types({ mode: 'skopeo', family: 'docker' }), inOrder(docker));
    assert.deepEqual(await types({ mode: 'skopeo', family: 'oci' }), inOrder(oci));
    const { said } = await convert(steps);
    assert.deepEqual((said['rootfs'] as { diff_ids: unknown } | undefined)?.diff_ids, [
      digestOf(layerOf('a')),
      digestOf(plain),
      digestOf(layerOf('z')),
    ]);
  });

  it('makes documents of Docker or of the OCI', async () => {
    for (const mode of modes)
      for (const [family, manifest, config] of [
        ['oci', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.oci.image.config.v1+json'],
        [
          'docker',
          'application/vnd.docker.distribution.manifest.v2+json',
          'application/vnd.docker.container.image.v1+json',
        ],
      ] as const) {
        const made = await convert([{ layer: a }], { mode, family });
        const document = JSON.parse(Buffer.from(made.manifest.bytes).toString());
        assert.deepEqual(
          [made.manifest.descriptor.mediaType, made.config.descriptor.mediaType, document.config],
          [manifest, config, made.config.descriptor],
        );
        assert.equal(made.manifest.descriptor.digest, digestOf(made.manifest.bytes));
      }
  });

  it('lists a layer as often as it comes', async () => {
    for (const mode of modes) {
      const { names: found, said } = await convert([{ layer: a }, { layer: b }, { layer: a }], { mode });
      assert.deepEqual(found, names(a, b, a));
      assert.equal((said['history'] as unknown as unknown[]).length, 3);
    }
    assert.deepEqual(layersToRead(parseSchema1(payloadOf([{ layer: a }, { layer: b }, { layer: a }]))), names(b, a));
  });

  it('does not need layers that are said to be empty, whatever they are', () => {
    const steps = [{ layer: a }, { layer: b, history: { throwaway: true } }, { layer: c }];
    for (const mode of modes) assert.deepEqual(layersToRead(parseSchema1(payloadOf(steps)), { mode }), names(a, c));
  });

  it('finds empty layers that nobody said are empty: as containerd by content and size, as skopeo not', async () => {
    const unsaid = [{ layer: a }, { layer: emptyLayer }, { layer: b, history: { Size: 0 } }];
    const read = (mode: ConversionMode): string[] => layersToRead(parseSchema1(payloadOf(unsaid)), { mode });
    assert.deepEqual(read('containerd'), names(a, emptyLayer));
    assert.deepEqual(read('skopeo'), names(a, emptyLayer, b));
    assert.deepEqual((await convert(unsaid, { mode: 'containerd' })).names, names(a));
    assert.deepEqual((await convert(unsaid, { mode: 'skopeo' })).names, names(a, emptyLayer, b));
    const zeros = gzipSync(Buffer.alloc(4096));
    assert.deepEqual((await convert([{ layer: a }, { layer: zeros }])).names, names(a));
    // What it says outright counts more than the size.
    const contrary = [{ layer: a, history: { Size: 0, throwaway: false } }];
    assert.deepEqual((await convert(contrary)).names, names(a));
  });

  it('lets the newest mention of a layer decide in the mode of containerd, each for itself in that of skopeo', async () => {
    const steps = [{ layer: a, history: { throwaway: true } }, { layer: b }, { layer: a }];
    assert.deepEqual((await convert(steps, { mode: 'containerd' })).names, names(a, b, a));
    assert.deepEqual((await convert(steps, { mode: 'skopeo' })).names, names(b, a));
  });

  it('looks at the chain of parents in the mode of skopeo alone', async () => {
    const broken: readonly [RegExp, readonly Step[]][] = [
      [/parent of .* is/, [{ layer: a }, { layer: b, history: { parent: idOf(7) } }]],
      [/parent of .* is none/, [{ layer: a }, { layer: b, history: { parent: undefined } }]],
      [/parent of .* not none/, [{ layer: a, history: { parent: idOf(7) } }]],
      [/no id of a layer/, [{ layer: a, history: { id: 'ABC' } }]],
      [/no id of a layer/, [{ layer: a, history: { id: undefined } }]],
      [/comes twice/, [{ layer: a }, { layer: b }, { layer: c, history: { id: idOf(0) } }]],
    ];
    for (const [message, steps] of broken) {
      await assert.rejects(convert(steps, { mode: 'skopeo' }), refused(message));
      assert.equal((await convert(steps, { mode: 'containerd' })).layers.length, steps.length);
    }
  });

  it('drops the newer of two entries with one id in the mode of skopeo', async () => {
    const twice = [{ layer: a }, { layer: b, history: { id: idOf(0), parent: undefined } }];
    assert.deepEqual((await convert(twice, { mode: 'skopeo' })).names, names(a));
    assert.deepEqual((await convert(twice, { mode: 'containerd' })).names, names(a, b));
  });

  it('makes up what a bare history does not say', async () => {
    const bare = {
      created: undefined,
      architecture: undefined,
      os: undefined,
      container_config: undefined,
      config: null,
    };
    for (const mode of modes)
      for (const family of ['oci', 'docker'] as const) {
        const { said } = await convert([{ layer: a, history: bare }], { mode, family }, { architecture: 'arm64' });
        assert.deepEqual([said['architecture'], said['os']], ['arm64', 'linux']);
        assert.deepEqual(said['history'], [{ created: '0001-01-01T00:00:00Z' }]);
        assert.equal('created' in said, false);
      }
  });

  it('writes times as Go does', async () => {
    const times = [
      ['2016-01-02T03:04:05.100Z', '2016-01-02T03:04:05.1Z'],
      ['2016-01-02T03:04:05.000000000Z', '2016-01-02T03:04:05Z'],
      ['2016-01-02T03:04:05.1234567891+02:00', '2016-01-02T03:04:05.123456789+02:00'],
      ['2016-01-02T03:04:05+00:00', '2016-01-02T03:04:05Z'],
    ] as const;
    for (const [created, expected] of times) {
      const { said } = await convert([{ layer: a, history: { created } }]);
      assert.deepEqual((said['history'] as unknown as { created: string }[])[0]?.created, expected);
    }
    for (const created of ['yesterday', '2016-02-30T00:00:00Z', '2016-01-02 03:04:05Z', '2016-01-02T25:00:00Z'])
      await assert.rejects(convert([{ layer: a, history: { created } }]), refused(/is no time/), created);
  });

  it('keeps what only Docker knows in the config of skopeo, and only there', async () => {
    const history = {
      config: { Cmd: ['sh'], Healthcheck: { Test: ['NONE'] }, OnBuild: ['RUN <x>'] },
      docker_version: '17.03',
      'x-vendor': { b: 1, a: [1.5, 'é', null] },
      Size: 12,
      parent_id: 'p',
      layer_id: 'l',
    };
    const kept = await convert([{ layer: a, history }], { mode: 'skopeo', family: 'docker' });
    const text = Buffer.from(kept.config.bytes).toString();
    assert.deepEqual(Object.keys(kept.said), [
      'architecture',
      'config',
      'container_config',
      'created',
      'docker_version',
      'history',
      'os',
      'rootfs',
      'x-vendor',
    ]);
    assert.ok(text.includes('"Healthcheck":{"Test":["NONE"]}'));
    assert.ok(text.includes('RUN \\u003cx\\u003e'), text);
    assert.ok(text.includes('"x-vendor":{"b":1,"a":[1.5,"é",null]}'), text);
    const dropped = await convert([{ layer: a, history }], { mode: 'containerd' });
    assert.deepEqual(dropped.said['config'], { Cmd: ['sh'] });
    assert.deepEqual(Object.keys(dropped.said), ['created', 'architecture', 'os', 'config', 'rootfs', 'history']);
  });

  it('writes configs of Docker before 1.8.3 anew, with the keys that they left out', async () => {
    const history = { docker_version: '1.8.2', config: { Cmd: 'sh', Labels: { b: '1', a: '2' } }, unknown: 1 };
    const { said } = await convert([{ layer: a, history }], { mode: 'skopeo', family: 'docker' });
    assert.equal('unknown' in said, false);
    assert.deepEqual(said['config'], {
      Hostname: '',
      Domainname: '',
      User: '',
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Env: null,
      Cmd: ['sh'],
      Image: '',
      Volumes: null,
      WorkingDir: '',
      Entrypoint: null,
      OnBuild: null,
      Labels: { a: '2', b: '1' },
    });
    for (const docker_version of ['1.8.3', '1.9.0', '1.10.3', '17.03.0-ce', '']) {
      const later = await convert([{ layer: a, history: { docker_version, config: { Cmd: ['sh'] } } }], {
        mode: 'skopeo',
        family: 'docker',
      });
      assert.deepEqual(later.said['config'], { Cmd: ['sh'] }, docker_version);
    }
  });

  it('asks for layers that were not read', () => {
    const manifest = parseSchema1(payloadOf([{ layer: a }]));
    assert.throws(() => convertDocument(manifest, new Map()), /has to be read/);
  });
});

describe('a layer that is read', () => {
  it('has the digest of what comes out, whatever it is packed in', async () => {
    const bytes = layerOf('x', 'x'.repeat(100_000));
    for (const [packing, layer] of [
      ['none', bytes],
      ['gzip', gzipSync(bytes)],
      ['zstd', zstdCompressSync(bytes)],
    ] as const)
      assert.deepEqual(await look(layer), { diffId: digestOf(bytes), packing, isBlank: false });
  });

  it('may consist of several members, and of nothing', async () => {
    const [first, second] = [layerOf('1'), layerOf('2')];
    const both = await look(Buffer.concat([gzipSync(first), gzipSync(second)]));
    assert.equal(both.diffId, digestOf(Buffer.concat([first, second])));
    assert.deepEqual(await look(emptyLayer), {
      diffId: digestOf(Buffer.alloc(1024)),
      packing: 'gzip',
      isBlank: true,
    });
    assert.equal((await look(Buffer.alloc(0))).isBlank, true);
    assert.equal((await look(Buffer.concat([Buffer.alloc(4096), Buffer.of(1)]))).isBlank, false);
  });

  it('is refused over the limit, or when it is damaged', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    const stream = (bytes: Uint8Array) =>
      (async function* () {
        yield bytes;
      })();
    await fails(readLayer(stream(bomb), { limit: 1_000_000 }), 'bad-archive');
    const damaged = gzipSync(layerOf('d', 'd'.repeat(5000)));
    damaged.writeUInt32LE(7, damaged.byteLength - 8);
    await fails(look(damaged), 'bad-archive');
    await fails(look(a.subarray(0, a.byteLength - 9)), 'bad-archive');
    const xz = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]);
    await assert.rejects(look(xz), /xz is not read/);
  });
});
