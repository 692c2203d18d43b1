import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type ErrorKind, is } from '../../src/errors.ts';
import { convertDocument, emptyLayer, type ImageParts, parseSchema1, writeSchema1 } from '../../src/schema1/index.ts';
import { type Descriptor, describe as describeBytes } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { layerOf } from './documents.ts';

const name = { name: 'team/app', tag: '1' };
const diffs = [layerOf('a'), layerOf('b')];
const layers = diffs.map((diff) => describeBytes(mediaTypes.ociLayerGzip, gzipSync(diff)));
const history = [
  { created: '2020-01-01T00:00:00Z', created_by: 'ADD <a>', author: 'me', comment: 'first' },
  { created: '2020-01-01T00:00:01.500Z', created_by: 'ENV A=b', empty_layer: true },
  { created: '2020-01-01T00:00:02Z', created_by: 'ADD b' },
];

function image(config: Record<string, unknown> = {}, of: readonly Descriptor[] = layers): ImageParts {
  const all = {
    architecture: 'arm64',
    os: 'linux',
    created: '2020-01-01T00:00:02Z',
    config: { Env: ['A=b'] },
    rootfs: { type: 'layers', diff_ids: diffs.map((diff) => digestOf(diff)) },
    history,
    ...config,
  };
  return { config: Buffer.from(JSON.stringify(all)), layers: of };
}

const refused = (parts: ImageParts, kind: ErrorKind): void =>
  assert.throws(
    () => writeSchema1(parts, name),
    (error) => is(error, kind),
  );

describe('writing schema 1', () => {
  it('names each layer, and the empty one where a step changed nothing', () => {
    const { payload, layers: needed } = writeSchema1(image(), name);
    const { entries, ...said } = parseSchema1(payload);
    assert.deepEqual([said.name, said.tag, said.architecture], ['team/app', '1', 'arm64']);
    const [a, b] = layers.map(({ digest }) => digest);
    assert.deepEqual(
      entries.map(({ blob, history: { throwaway } }) => [blob, throwaway]),
      [
        [b, undefined],
        [digestOf(emptyLayer), true],
        [a, undefined],
      ],
    );
    assert.deepEqual(needed.map(({ digest }) => digest).sort(), [a, b, digestOf(emptyLayer)].sort());
  });

  it('gives layers the ids that registries give them: from what is below, and the config', () => {
    const ids = (parts: ImageParts): (string | undefined)[] =>
      parseSchema1(writeSchema1(parts, name).payload).entries.map(({ history: { id } }) => id);
    const first = ids(image());
    assert.deepEqual(ids(image({ config: {} })).slice(1), first.slice(1));
    assert.notEqual(ids(image({ config: {} }))[0], first[0]);
    assert.equal(new Set(first).size, 3);
  });

  it('comes back with the same layers and history but for what made the newest layer', () => {
    const parts = image();
    const manifest = parseSchema1(writeSchema1(parts, name).payload);
    const read = new Map(
      layers.map(({ digest, size }, index) => [
        digest,
        { diffId: digestOf(diffs[index] ?? Buffer.of()), packing: 'gzip', isBlank: false, size } as const,
      ]),
    );
    for (const mode of ['containerd', 'skopeo'] as const) {
      const made = convertDocument(manifest, read, { mode });
      const config = JSON.parse(Buffer.from(made.config.bytes).toString());
      const [one, two, { created }] = history as [object, object, { created: string }];
      assert.deepEqual(config.history, [one, { ...two, created: '2020-01-01T00:00:01.5Z' }, { created }]);
      assert.deepEqual(
        [config.rootfs.diff_ids, config.architecture, config.config],
        [diffs.map((diff) => digestOf(diff)), 'arm64', { Env: ['A=b'] }],
      );
      assert.deepEqual(
        made.layers.map(({ digest }) => digest),
        layers.map(({ digest }) => digest),
      );
    }
  });

  it('refuses layers that readers of schema 1 could not read', () => {
    const [layer] = layers as [Descriptor];
    for (const mediaType of [
      mediaTypes.ociLayerZstd,
      'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      'application/vnd.oci.image.layer.v1.tar+gzip+encrypted',
      'application/octet-stream',
    ])
      refused(image({}, [layer, { ...layer, mediaType }]), 'not-implemented');
    refused(
      image({}, [layer, { ...layer, digest: `sha512:${'a'.repeat(128)}` as Descriptor['digest'] }]),
      'not-implemented',
    );
  });

  it('refuses an image whose history does not fit its layers', () => {
    refused(image({ history: undefined }), 'failed-precondition');
    refused(image({ history: [] }), 'failed-precondition');
    refused(image({ history: history.slice(1) }), 'failed-precondition');
    refused(image({ history: [...history, { created: '2020-01-01T00:00:02Z' }] }), 'failed-precondition');
    refused(
      image({ rootfs: { type: 'layers', diff_ids: [digestOf(diffs[0] ?? Buffer.of())] } }),
      'failed-precondition',
    );
    refused(image({ rootfs: { type: 'layers', diff_ids: [] }, history: [] }, []), 'failed-precondition');
    refused(image({ rootfs: { type: 'other' } }), 'invalid-argument');
    refused({ config: Buffer.from('no JSON'), layers }, 'invalid-argument');
  });
});
