import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { because } from '../../src/errors.ts';
import type { Family } from '../../src/oci/family.ts';
import {
  type ConversionMode,
  convertDocument,
  parseSchema1,
  type ReadLayer,
  readLayer,
  type Schema1Manifest,
  verifySchema1,
  writeSchema1,
} from '../../src/schema1/index.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import type { Digest } from '../../src/spec/digest.ts';
import { parseManifest } from '../../src/spec/documents.ts';
import { sharedFixtures, unlessFixtures } from '../support/tools.ts';

const read = (...path: string[]): Promise<Buffer> => readFile(join(sharedFixtures, ...path));
const ofImages = (name: string): Promise<Buffer> => read('schema1', 'c-image', name);
const ofRegistry = (...path: string[]): Promise<Buffer> => read('schema1', 'registry-2.8.2', ...path);

const registryKey = 'TZBW:63WC:MGFL:EXNE:AZXG:BD45:IRQH:DDMQ:BSBT:F2ET:MCK5:HS7D';
const pushed = 'sha256:9da6bc00663af7268e85ea350310b6ab3143d6ff5d14a39c4d31a0a1c6f30be0';

/** What is known of manifests of other tools: their digests, and whether the signature in them is right. */
const verdicts: Readonly<Record<string, readonly [string, string, keyId?: string]>> = {
  'c-image/schema1.json': ['valid', 'sha256:5a26403ca5f91c7f04300e397efc83960afbfe2d2b34314383a53e267a604455'],
  'c-image/schema1-for-oci-config.json': [
    'valid',
    'sha256:163ac025575b775d1c0f9bf0bdd0f086883171eb475b5068e7defa4ca9e76516',
  ],
  'c-image/oci1-to-schema1.json': ['valid', 'sha256:6feeaff9d4420e29f96881eb712e8762c28615666340222c8e054259f9bc87d4'],
  // Its name was edited after it had been signed.
  'c-image/v2s1.manifest.json': ['invalid', 'sha256:7364fea9d84ee548ab67d4c46c6006289800c98de3fbf8c0a97138dfcc23f000'],
  'c-image/v2s1-unsigned.manifest.json': [
    'unsigned',
    'sha256:7364fea9d84ee548ab67d4c46c6006289800c98de3fbf8c0a97138dfcc23f000',
  ],
  'c-image/v2s1.everything.json': [
    'unsigned',
    'sha256:c7df6b660bbfca36b1982b6bd656e0cbaf7ec3da06f6160204cd7b4aac6381c7',
  ],
  'skopeo-uncompressed-image-s1/manifest.json': [
    'valid',
    'sha256:3b93a98785ed46f9fa9fefd53127c3fa91e1d0314f90c00d8fb9b8d7448ec1ad',
  ],
  'registry-2.8.2/manifest-converted-by-registry.prettyjws.json': [
    'valid',
    'sha256:e3009c1608a4f40418fccd6f2f6abf298e6f22a8f265b348a862646218f1a8f3',
    registryKey,
  ],
  'registry-2.8.2/manifest-pushed-by-skopeo-v2s1.prettyjws.json': ['valid', pushed, registryKey],
  'registry-2.8.2/manifest-pushed-by-skopeo-v2s1.second-get.prettyjws.json': ['valid', pushed, registryKey],
};

/** The layers of a conversion of other tools, as if they had been read. */
function layersOf(manifest: Buffer, config: Buffer): Map<Digest, ReadLayer> {
  const { rootfs } = JSON.parse(config.toString());
  const { layers } = JSON.parse(manifest.toString()) as { layers: Descriptor[] };
  return new Map(
    layers.map(({ digest, size }, index) => [
      digest,
      { diffId: rootfs.diff_ids[index], packing: 'gzip', isBlank: false, size },
    ]),
  );
}

describe('schema 1 manifests of other tools', { skip: unlessFixtures() }, () => {
  for (const [name, [state, digest, keyId]] of Object.entries(verdicts))
    it(`${name} is ${state}`, async () => {
      const manifest = parseSchema1(await read('schema1', ...name.split('/')));
      const verdict = verifySchema1(manifest);
      assert.deepEqual([verdict.state, manifest.digest], [state, digest]);
      if (keyId !== undefined) assert.deepEqual(verdict.signatures, [{ algorithm: 'ES256', keyId }]);
    });

  it('are refused when what is signed is no JSON, or the signatures are no list', async () => {
    // Its name was made longer after it had been signed, so that the payload is cut off.
    for (const name of ['schema2-to-schema1-by-docker.json', 'v2s1-invalid-signatures.manifest.json']) {
      const bytes = await ofImages(name);
      assert.throws(
        () => parseSchema1(bytes),
        (error) => because(error, 'bad-document'),
      );
    }
  });

  it('are right again once an edit of the name is undone', async () => {
    const edits = [
      ['schema2-to-schema1-by-docker.json', 'library/httpd-copy', 'library/httpd'],
      ['v2s1.manifest.json', 'mitr/busybox', 'mitr/buxybox'],
    ] as const;
    for (const [name, edited, original] of edits) {
      const text = (await ofImages(name)).toString().replace(edited, original);
      assert.equal(verifySchema1(parseSchema1(Buffer.from(text))).state, 'valid', name);
    }
  });
});

describe('conversions of other tools', { skip: unlessFixtures() }, () => {
  const recorded: readonly [string, ConversionMode, Family][] = [
    ['containerd-1.6.20', 'containerd', 'oci'],
    ['skopeo-1.9.3-oci', 'skopeo', 'oci'],
    ['skopeo-1.9.3-v2s2', 'skopeo', 'docker'],
  ];
  for (const source of ['converted-by-registry', 'pushed-by-skopeo-v2s1'])
    for (const [tool, mode, family] of recorded)
      it(`come out byte for byte: ${tool} of what was ${source}`, async () => {
        const manifest = parseSchema1(await ofRegistry(`manifest-${source}.prettyjws.json`));
        const made = convertDocument(manifest, await readLayers(manifest), { mode, family });
        const expected = await ofRegistry('converted', `${tool}.config.json`);
        assert.equal(Buffer.from(made.config.bytes).toString(), expected.toString());
        const document = await ofRegistry('converted', `${tool}.manifest.json`);
        assert.equal(Buffer.from(made.manifest.bytes).toString(), document.toString());
      });

  async function readLayers({ entries }: Schema1Manifest): Promise<Map<Digest, ReadLayer>> {
    const found = new Map<Digest, ReadLayer>();
    for (const { blob } of entries) {
      const bytes = await ofRegistry('blobs', blob.slice('sha256:'.length));
      const content = await readLayer(
        (async function* () {
          yield bytes;
        })(),
      );
      found.set(blob, { ...content, size: bytes.byteLength });
    }
    return found;
  }

  for (const [tool, family] of [
    ['schema2', 'docker'],
    ['oci1', 'oci'],
  ] as const)
    it(`say the same as containers/image to ${tool}`, async () => {
      const expected = await ofImages(`schema1-to-${tool}.json`);
      const config = await ofImages(`schema1-to-${tool}-config.json`);
      const manifest = parseSchema1(await ofImages('schema1.json'));
      const made = convertDocument(manifest, layersOf(expected, config), { mode: 'skopeo', family });
      assert.deepEqual(JSON.parse(Buffer.from(made.config.bytes).toString()), JSON.parse(config.toString()));
      // The descriptor of the config is made up there.
      const { config: _, ...rest } = JSON.parse(Buffer.from(made.manifest.bytes).toString());
      const { config: __, ...expectedRest } = JSON.parse(expected.toString());
      assert.deepEqual(rest, expectedRest);
    });

  it('reads the config of an image of 2016, of which every layer has one', async () => {
    const manifest = parseSchema1(await ofImages('schema1-for-oci-config.json'));
    const layers = new Map(
      manifest.entries.map(({ blob }) => [blob, { diffId: blob, packing: 'gzip', isBlank: false, size: 1 } as const]),
    );
    for (const mode of ['containerd', 'skopeo'] as const) {
      const made = JSON.parse(Buffer.from(convertDocument(manifest, layers, { mode }).config.bytes).toString());
      assert.deepEqual([made.architecture, made.os, made.config.Entrypoint], ['amd64', 'linux', ['/pause']]);
      assert.equal(made.history.length, manifest.entries.length);
    }
  });
});

describe('schema 1 that other tools made of newer images', { skip: unlessFixtures() }, () => {
  /** What a manifest says, whatever the order of its keys. */
  const said = (bytes: Uint8Array): unknown => {
    const { name, tag, architecture, fsLayers, history } = JSON.parse(Buffer.from(bytes).toString());
    return { name, tag, architecture, fsLayers, history };
  };

  it('is the same, with the ids of all layers', async () => {
    for (const source of ['oci1', 'schema2']) {
      const { layers } = parseManifest(await read('manifests', 'c-image-conversion', `${source}.json`));
      const config = await read('manifests', 'c-image-conversion', `${source}-config.json`);
      const written = writeSchema1({ config, layers }, { name: 'library/httpd-copy', tag: 'latest' });
      assert.deepEqual(said(written.payload), said(await ofImages('oci1-to-schema1.json')));
    }
  });

  it('is the same byte for byte where a registry made it', async () => {
    const { layers } = parseManifest(await ofRegistry('converted', 'skopeo-1.9.3-oci.manifest.json'));
    const config = await ofRegistry('source-oci-config.json');
    const { payload } = writeSchema1({ config, layers }, { name: 'lab/app', tag: 's2' });
    const { payload: expected } = parseSchema1(await ofRegistry('manifest-converted-by-registry.prettyjws.json'));
    assert.equal(Buffer.from(payload).toString(), Buffer.from(expected).toString());
  });
});
