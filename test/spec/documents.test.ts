import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DrayError } from '../../src/errors.ts';
import { inlineData } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';
import {
  childrenOf,
  detectMediaType,
  parseDescriptor,
  parseImageConfig,
  parseIndex,
  parseLayout,
  parseManifest,
} from '../../src/spec/documents.ts';
import { ambiguityIn } from '../../src/spec/json-text.ts';
import { compressionOf, isLayer, isNonDistributable, mediaTypes } from '../../src/spec/media-types.ts';

const bytes = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const object = (mediaType: string, name: string): object => ({ mediaType, digest: digestOf(name), size: name.length });
const manifest = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config: object(mediaTypes.ociConfig, 'config'),
  layers: [object(mediaTypes.ociLayerGzip, 'layer')],
};
const index = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests: [{ ...object(mediaTypes.ociManifest, 'm'), platform: { os: 'linux', architecture: 'amd64' } }],
};

function refused(run: () => unknown, problem: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof DrayError, String(error));
    assert.equal(error.reason, 'bad-document');
    assert.match(error.message, problem);
    return true;
  });
}

describe('documents', () => {
  it('keep unknown fields, at every depth', () => {
    const strange = {
      ...manifest,
      extra: { a: 1 },
      layers: [{ ...manifest.layers[0], vendor: true, platform: { os: 'x', architecture: 'y', z: 1 } }],
    };
    assert.deepEqual(parseManifest(bytes(strange)), strange);
  });

  it('may name digests of algorithms that nobody here knows', () => {
    const other = {
      ...manifest,
      layers: [{ ...manifest.config, digest: 'multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8' }],
    };
    assert.deepEqual(parseManifest(bytes(other)).layers, other.layers);
  });

  it('take null for an empty list or map, as Go programs write it', () => {
    const parsed = parseManifest(bytes({ ...manifest, layers: null, annotations: null }));
    assert.deepEqual(parsed.layers, []);
    assert.equal(parsed.annotations, undefined);
    assert.deepEqual(parseIndex(bytes({ manifests: null })).manifests, []);
  });

  it('give their children in order, and a subject is none', () => {
    const children = childrenOf(
      mediaTypes.dockerManifest,
      bytes({ ...manifest, mediaType: mediaTypes.dockerManifest, subject: object(mediaTypes.ociManifest, 's') }),
    );
    assert.deepEqual(
      children.map((child) => child.mediaType),
      [mediaTypes.ociConfig, mediaTypes.ociLayerGzip],
    );
    assert.deepEqual(
      childrenOf(mediaTypes.ociIndex, bytes(index)).map((child) => child.platform?.architecture),
      ['amd64'],
    );
    const manifests = [{ ...index.manifests[0], platform: { architecture: 'arm64', os: null } }];
    assert.deepEqual(childrenOf(mediaTypes.ociIndex, bytes({ ...index, manifests }))[0]?.platform, {
      architecture: 'arm64',
      os: '',
    });
    assert.deepEqual(childrenOf(mediaTypes.ociArtifact, bytes({ blobs: [object('text/plain', 'b')] })).length, 1);
    assert.deepEqual(childrenOf('application/unknown', bytes('not json')), []);
  });

  const confusions: readonly [string, string, unknown][] = [
    ['a manifest with manifests', 'manifest', { ...manifest, manifests: [] }],
    ['a manifest with manifests: null', 'manifest', { ...manifest, manifests: null }],
    ['a manifest with MANIFESTS', 'manifest', { ...manifest, MANIFESTS: [] }],
    ['a manifest that calls itself an index', 'manifest', { ...manifest, mediaType: mediaTypes.dockerManifestList }],
    [
      'a manifest that calls itself an index in capitals',
      'manifest',
      { ...manifest, mediaType: undefined, MediaType: mediaTypes.ociIndex },
    ],
    ['an index with layers', 'index', { ...index, layers: null }],
    ['an index with config', 'index', { ...index, Config: {} }],
    ['an index that calls itself a manifest', 'index', { ...index, mediaType: mediaTypes.ociManifest }],
    ['schema 1 under another name', 'manifest', { ...manifest, fsLayers: [] }],
    ['schema 1 as an index', 'index', { ...index, FSLayers: null }],
  ];
  for (const [title, as, value] of confusions) {
    it(`${title} is refused`, () =>
      refused(() => (as === 'index' ? parseIndex(bytes(value)) : parseManifest(bytes(value))), /invalid/));
  }

  it('a key that is there twice, or in a case that some readers take for another key, is refused', () => {
    const text = JSON.stringify(manifest);
    for (const twice of [
      text.replace('"layers":', '"layers":[],"layers":'),
      text.replace('"layers":', '"l\\u0061yers":[],"layers":'),
      text.replace('"size":6', '"size":6,"size":7'),
      text.replace('"schemaVersion":2', '"schemaVersion":2,"annotations":{"a":"1","a":"2"}'),
    ])
      refused(() => parseManifest(bytes(twice)), /twice/);
    refused(
      () => parseImageConfig(bytes('{"rootfs":{"type":"layers","diff_ids":[]},"rootfs":{"type":"layers"}}')),
      /twice/,
    );
    for (const other of ['Layers', 'CONFIG', 'Subject', 'annotationS'])
      refused(
        () => parseManifest(bytes({ ...manifest, [other]: undefined, [other.toUpperCase()]: [] })),
        /another key/,
      );
    const { config } = manifest;
    for (const [key, value] of [
      ['layer\u017f', { ...manifest, 'layer\u017f': [] }],
      ['Digest', { ...manifest, config: { ...config, Digest: digestOf('other') } }],
      ['SIZE', { ...manifest, layers: [{ ...config, SIZE: 7 }] }],
      ['OS', { ...manifest, config: { ...config, platform: { os: 'linux', OS: 'windows', architecture: 'amd64' } } }],
    ] as const)
      refused(() => parseManifest(bytes(value)), new RegExp(`"${key}" for another key`));
    refused(
      () => parseImageConfig(bytes({ os: 'linux', architecture: 'amd64', OS: 'windows' })),
      /"OS" for another key/,
    );
    const plain = {
      ...manifest,
      annotations: { Annotations: '', A: '2', a: '{"a":1,"a":2}', b: '"', 'a"b': '\\', layers: 'x' },
      other: { Layers: 1 },
    };
    assert.deepEqual(parseManifest(bytes(plain)).layers.length, 1);
  });

  it('a repeated key is found, and none where there is none', () => {
    fc.assert(
      fc.property(fc.json(), fc.string(), (json, key) => {
        const value = JSON.parse(json);
        assert.equal(ambiguityIn(JSON.stringify(value, undefined, 1)), undefined);
        const name = JSON.stringify(key);
        assert.equal(
          ambiguityIn(`[${JSON.stringify(value)},{${name} : ${json},"\\u0000!":[{}],${name}:1}]`),
          `it has the key ${JSON.stringify(key.slice(0, 100))} twice`,
        );
      }),
    );
    assert.equal(ambiguityIn(`{"a":"${'x'.repeat(4_000_000)}","b":"${'\\n'.repeat(4_100_000)}"}`), undefined);
  });

  it('nesting that not every reader follows is refused, wherever it is', () => {
    const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
    assert.equal(parseManifest(bytes({ ...manifest, other: nested(990) })).layers.length, 1);
    for (const depth of [1001, 100_000]) {
      const text = Buffer.from(
        JSON.stringify({ ...manifest, other: 0 }).replace(
          '"other":0',
          `"other":${'['.repeat(depth)}${']'.repeat(depth)}`,
        ),
      );
      refused(() => parseManifest(text), /nested deeper than 1000/);
      const index = `{"schemaVersion":2,"manifests":[],"x":${'{"y":'.repeat(depth)}0${'}'.repeat(depth)}}`;
      refused(() => parseIndex(Buffer.from(index)), /nested deeper than 1000/);
      refused(() => parseImageConfig(Buffer.from(index)), /nested deeper than 1000/);
    }
  });

  it('the docker type in the document under the OCI type in the descriptor is no confusion', () => {
    assert.equal(
      childrenOf(mediaTypes.ociManifest, bytes({ ...manifest, mediaType: mediaTypes.dockerManifest })).length,
      2,
    );
  });

  const malformed: readonly [string, unknown, RegExp][] = [
    ['no JSON', '{', /not JSON/],
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1'), /not JSON/],
    ['a byte order mark', `\ufeff${JSON.stringify(manifest)}`, /not JSON/],
    ['no object', '[]', /not a JSON object/],
    ['null', 'null', /not a JSON object/],
    ['schema version 3', { ...manifest, schemaVersion: 3 }, /schemaVersion/],
    ['no config', { ...manifest, config: undefined }, /config/],
    [
      'a digest in capital letters',
      { ...manifest, config: { ...manifest.config, digest: `sha256:${'A'.repeat(64)}` } },
      /no digest of its algorithm at config\.digest/,
    ],
    [
      'a digest that is too short for its algorithm',
      { ...manifest, layers: [{ ...manifest.config, digest: 'sha512:abcd' }] },
      /no digest of its algorithm at layers\.0\.digest/,
    ],
    ['a malformed digest', { ...manifest, config: { ...manifest.config, digest: 'sha256:../../x' } }, /config\.digest/],
    ...[-1, 1.5, 2 ** 53, 2 ** 62, '1e3', null].map((size): [string, unknown, RegExp] => [
      `size ${size}`,
      { ...manifest, config: { ...manifest.config, size } },
      /config\.size/,
    ]),
    ['too many layers', { ...manifest, layers: Array(10_001).fill(manifest.layers[0]) }, /layers/],
    ['a layer that is text', { ...manifest, layers: ['x'] }, /layers\.0/],
    ['annotations that are numbers', { ...manifest, annotations: { a: 1 } }, /annotations/],
    ['data that is not base64', { ...manifest, config: { ...manifest.config, data: '***' } }, /config\.data/],
  ];
  for (const [title, value, problem] of malformed)
    it(`${title} is refused`, () => refused(() => parseManifest(bytes(value)), problem));

  it('deep nesting is refused or read, but never fatal', () => {
    for (const depth of [10, 100_000]) {
      const text = `{"config":${'['.repeat(depth)}${']'.repeat(depth)}}`;
      refused(() => parseManifest(Buffer.from(text)), /invalid manifest/);
    }
  });

  it('any JSON gives a document or the documented error', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.constantFrom(parseManifest, parseIndex, parseImageConfig, parseLayout, parseDescriptor),
        (text, parse) => {
          try {
            parse(Buffer.from(text));
          } catch (error) {
            assert.ok(error instanceof DrayError && error.reason === 'bad-document');
          }
        },
      ),
    );
  });

  it('tell their media type by themselves when nobody else does', () => {
    assert.equal(detectMediaType(bytes(manifest)), mediaTypes.ociManifest);
    assert.equal(detectMediaType(bytes({ ...index, mediaType: undefined })), mediaTypes.ociIndex);
    assert.equal(
      detectMediaType(bytes({ schemaVersion: 1, fsLayers: [], signatures: [] })),
      mediaTypes.dockerSchema1Signed,
    );
    refused(() => detectMediaType(bytes({})), /no media type/);
  });

  it('inline data counts only when it is what the descriptor says', () => {
    const data = Buffer.from('{}').toString('base64');
    const empty = { mediaType: mediaTypes.ociEmpty, digest: digestOf('{}'), size: 2, data };
    assert.deepEqual(inlineData(empty), Buffer.from('{}'));
    assert.equal(inlineData({ ...empty, size: 3 }), undefined);
    assert.equal(inlineData({ ...empty, digest: digestOf('x') }), undefined);
  });

  it('an image config without a root file system is one', () => {
    assert.equal(parseImageConfig(bytes({})).os, '');
    assert.deepEqual(
      parseImageConfig(bytes({ os: 'linux', architecture: 'arm64', rootfs: { type: 'layers', diff_ids: null } })).rootfs
        ?.diff_ids,
      [],
    );
  });
});

describe('media types', () => {
  it('of layers say how they are packed', () => {
    const packed: readonly [string, string | undefined][] = [
      [mediaTypes.ociLayer, 'none'],
      [mediaTypes.ociLayerGzip, 'gzip'],
      [mediaTypes.ociLayerZstd, 'zstd'],
      [mediaTypes.dockerLayer, 'unknown'],
      [mediaTypes.dockerLayerGzip, 'gzip'],
      [mediaTypes.dockerLayerZstd, 'zstd'],
      [`${mediaTypes.ociLayerGzip}+encrypted`, 'gzip'],
      [`${mediaTypes.ociLayer}+encrypted`, 'none'],
      [`${mediaTypes.ociLayer}+lz4`, undefined],
      [mediaTypes.ociConfig, undefined],
    ];
    for (const [type, compression] of packed) assert.equal(compressionOf(type), compression, type);
  });

  it('of foreign layers are layers that stay where they are', () => {
    for (const type of [mediaTypes.ociForeignLayerGzip, mediaTypes.dockerForeignLayer])
      assert.ok(isLayer(type) && isNonDistributable(type));
    assert.equal(isNonDistributable(mediaTypes.ociLayer), false);
  });
});
