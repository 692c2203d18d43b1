import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { selectPlatforms } from '../../src/client/select.ts';
import { readDocument } from '../../src/content/documents.ts';
import type { ContentStore } from '../../src/content/store.ts';
import { type Family, translateMediaType } from '../../src/oci/family.ts';
import { convertMediaTypes } from '../../src/oci/translate.ts';
import { type Descriptor, describe as describeBytes } from '../../src/spec/descriptor.ts';
import { type Index, type Manifest, parseIndex, parseManifest } from '../../src/spec/documents.ts';
import { isManifest, mediaTypes } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { document, type RandomBlob, randomBlob, randomImage } from '../../src/testing/random.ts';
import { sharedFixtures, unlessFixtures } from '../support/tools.ts';
import { fails, putBlobs } from './images.ts';

async function stored(...blobs: readonly RandomBlob[]): Promise<ContentStore> {
  const { content } = memoryServices();
  await putBlobs(content, blobs);
  return content;
}

async function manifestOf(content: ContentStore, target: Descriptor): Promise<Manifest> {
  return parseManifest(await readDocument(content, target));
}

async function indexOf(content: ContentStore, target: Descriptor): Promise<Index> {
  return parseIndex(await readDocument(content, target));
}

function layer(mediaType: string, bytes: Uint8Array): RandomBlob {
  return { descriptor: describeBytes(mediaType, bytes), bytes };
}

const platforms = ['linux/amd64', 'linux/arm64/v8'];

describe('translation of media types', () => {
  for (const [from, to] of [
    ['docker', 'oci'],
    ['oci', 'docker'],
  ] as const) {
    it(`${from} to ${to}: types change all the way down, configs and layers keep their bytes`, async () => {
      const image = randomImage({ seed: from, platforms, family: from });
      const content = await stored(...image.blobs);
      const { target, losses } = await convertMediaTypes(content, image.root, to);
      assert.deepEqual(losses, []);
      assert.equal(target.mediaType, to === 'oci' ? mediaTypes.ociIndex : mediaTypes.dockerManifestList);
      const index = await indexOf(content, target);
      const before = parseIndex(image.blobs.at(-1)?.bytes ?? new Uint8Array());
      assert.deepEqual(
        index.manifests.map(({ platform }) => platform),
        before.manifests.map(({ platform }) => platform),
      );
      for (const [n, child] of index.manifests.entries()) {
        const old = before.manifests[n];
        assert.ok(old !== undefined);
        const [now, then] = [await manifestOf(content, child), await manifestOf(content, old)];
        assert.equal(now.mediaType, translateMediaType(then.mediaType ?? '', to));
        assert.deepEqual(
          [now.config, ...now.layers],
          [then.config, ...then.layers].map((one) => {
            // Docker's plain type says nothing of the packing, which is looked up; random bytes are not packed.
            return { ...one, mediaType: translateMediaType(one.mediaType, to) };
          }),
        );
      }
      const { labels } = await content.info(target.digest);
      assert.deepEqual(
        Object.values(labels),
        index.manifests.map(({ digest }) => digest),
      );
    });

    it(`${from} to ${to} and back gives the first image again`, async () => {
      const image = randomImage({ seed: from, platforms, family: from });
      const content = await stored(...image.blobs);
      const { target } = await convertMediaTypes(content, image.root, to);
      const back = await convertMediaTypes(content, target, from);
      assert.deepEqual(back, { target: image.root, losses: [] });
    });

    it(`what is ${from} already stays as it is, and nothing is written`, async () => {
      const image = randomImage({ seed: from, platforms, family: from });
      const content = await stored(...image.blobs);
      const before = await Array.fromAsync(content.walk());
      const said = { ...image.root, annotations: { a: 'b' } };
      assert.deepEqual(await convertMediaTypes(content, said, from), { target: said, losses: [] });
      assert.deepEqual(await Array.fromAsync(content.walk()), before);
    });
  }

  it("layers under Docker's plain type are told apart by their content", async () => {
    const bytes = Buffer.from('a layer');
    const layers = [bytes, gzipSync(bytes), zstdCompressSync(bytes)].map((one) => layer(mediaTypes.dockerLayer, one));
    const foreign = layer(mediaTypes.dockerForeignLayer, gzipSync('foreign'));
    const absent = randomBlob(10, 'absent', mediaTypes.dockerLayer);
    const config = document(mediaTypes.dockerConfig, {});
    const root = document(mediaTypes.dockerManifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.dockerManifest,
      config: config.descriptor,
      layers: [...layers, foreign, absent].map(({ descriptor }) => descriptor),
    });
    const content = await stored(...layers, foreign, config, root);
    const { target } = await convertMediaTypes(content, root.descriptor, 'oci');
    assert.deepEqual(
      (await manifestOf(content, target)).layers.map(({ mediaType }) => mediaType),
      [
        mediaTypes.ociLayer,
        mediaTypes.ociLayerGzip,
        mediaTypes.ociLayerZstd,
        mediaTypes.ociForeignLayerGzip,
        mediaTypes.ociLayer,
      ],
    );
  });

  it('mixed documents come out as one family', async () => {
    const config = document(mediaTypes.dockerConfig, {});
    const blob = randomBlob(10, 'x', mediaTypes.dockerLayerGzip);
    const root = document(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: config.descriptor,
      layers: [blob.descriptor],
      annotations: { kept: 'yes' },
      unknown: { kept: 'too' },
    });
    const content = await stored(config, blob, root);
    const { target, losses } = await convertMediaTypes(content, root.descriptor, 'oci');
    assert.deepEqual(losses, []);
    assert.deepEqual(await manifestOf(content, target), {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { ...config.descriptor, mediaType: mediaTypes.ociConfig },
      layers: [{ ...blob.descriptor, mediaType: mediaTypes.ociLayerGzip }],
      annotations: { kept: 'yes' },
      unknown: { kept: 'too' },
    });
  });

  it('says what Docker cannot say', async () => {
    const config = document(mediaTypes.ociConfig, { os: 'linux', architecture: 'arm', variant: 'v7' });
    const zstd = layer(mediaTypes.ociLayerZstd, zstdCompressSync('layer'));
    const noted = { ...zstd.descriptor, annotations: { note: 'gone' } };
    const root = document(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: config.descriptor,
      layers: [noted],
      annotations: { gone: 'yes' },
      subject: config.descriptor,
      artifactType: 'x/y',
    });
    const artifact = document(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: document(mediaTypes.ociEmpty, {}).descriptor,
      layers: [],
    });
    const attestation = { ...artifact.descriptor, platform: { os: 'unknown', architecture: 'unknown' } };
    const nested = document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [] });
    const index = document(mediaTypes.ociIndex, {
      schemaVersion: 2,
      manifests: [root.descriptor, artifact.descriptor, attestation, nested.descriptor],
    });
    const content = await stored(config, zstd, root, artifact, nested, index);
    const { target, losses } = await convertMediaTypes(content, index.descriptor, 'docker');
    const list = await indexOf(content, target);
    assert.equal(list.manifests.length, 1);
    assert.deepEqual(list.manifests[0]?.platform, { architecture: 'arm', os: 'linux', variant: 'v7' });
    const told = losses.map(({ digest, what }) => [digest, what.replace(/ sha256.*|,.*/, '')]);
    assert.deepEqual(told, [
      [root.descriptor.digest, 'annotations'],
      [root.descriptor.digest, 'subject'],
      [root.descriptor.digest, 'artifactType'],
      [root.descriptor.digest, 'annotations of children'],
      [root.descriptor.digest, "readers: not every tool of Docker's reads zstd"],
      [index.descriptor.digest, 'artifact'],
      [index.descriptor.digest, 'attestation'],
      [index.descriptor.digest, 'nested index'],
    ]);
    const made = await manifestOf(content, list.manifests[0] ?? target);
    assert.deepEqual(Object.keys(made), ['schemaVersion', 'mediaType', 'config', 'layers']);
    assert.deepEqual(made.layers, [{ ...zstd.descriptor, mediaType: mediaTypes.dockerLayerZstd }]);
  });

  it('refuses what Docker cannot have at all', async () => {
    const config = document(mediaTypes.ociConfig, {});
    const empty = document(mediaTypes.ociEmpty, {});
    const of = (layers: readonly Descriptor[], about = config): RandomBlob =>
      document(mediaTypes.ociManifest, { schemaVersion: 2, config: about.descriptor, layers });
    const encrypted = randomBlob(5, 'e', 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted');
    for (const root of [of([], empty), of([encrypted.descriptor]), randomBlob(5, 'odd', 'x/y')]) {
      const content = await stored(config, empty, encrypted, root);
      await fails(convertMediaTypes(content, root.descriptor, 'docker'), 'not-implemented', /cannot be translated/);
    }
    const only = document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [of([], empty).descriptor] });
    const content = await stored(config, empty, of([], empty), only);
    await fails(convertMediaTypes(content, only.descriptor, 'docker'), 'not-implemented', /nothing of it is left/);
  });

  it('takes over some platforms, and what is there, when asked', async () => {
    const image = randomImage({ seed: 'sparse', platforms, family: 'docker' });
    const content = await stored(...image.blobs.slice(4));
    await fails(convertMediaTypes(content, image.root, 'oci'), 'not-found');
    const there = await convertMediaTypes(content, image.root, 'oci', { missing: 'skip' });
    assert.equal((await indexOf(content, there.target)).manifests.length, 1);
    assert.equal(there.losses.length, 1);
    const arm = await convertMediaTypes(content, image.root, 'oci', {
      select: selectPlatforms(['linux/arm64']),
    });
    assert.deepEqual(arm, { target: there.target, losses: [] });
  });

  it('ends at a depth that no image has', async () => {
    let below = randomImage({ seed: 'deep', family: 'docker' }).root;
    const blobs = [...randomImage({ seed: 'deep', family: 'docker' }).blobs];
    for (let n = 0; n < 40; n += 1) {
      const index = document(mediaTypes.dockerManifestList, { schemaVersion: 2, manifests: [below], n });
      blobs.push(index);
      below = index.descriptor;
    }
    const content = await stored(...blobs);
    await fails(convertMediaTypes(content, below, 'oci'), 'invalid-argument', 'bad-document', /too deep/);
  });
});

describe("translation: other tools' manifests", { skip: unlessFixtures() }, () => {
  const folder = join(sharedFixtures, 'manifests', 'c-image-conversion');
  const cases: readonly [from: string, family: Family, expected: string][] = [
    ['schema2-all-media-types.json', 'oci', 'schema2-all-media-types-to-oci1.json'],
    ['schema2.json', 'oci', 'schema2-to-oci1.json'],
    ['oci1.json', 'docker', 'oci1-to-schema2.json'],
  ];
  for (const [from, family, expected] of cases)
    it(`${from} to ${family}`, async () => {
      const bytes = await readFile(join(folder, from));
      const { mediaType = '' } = parseManifest(bytes);
      assert.ok(isManifest(mediaType));
      const root = { descriptor: describeBytes(mediaType, bytes), bytes };
      const content = await stored(root);
      const { target } = await convertMediaTypes(content, root.descriptor, family);
      const [made, wanted] = [await manifestOf(content, target), parseManifest(await readFile(join(folder, expected)))];
      assert.equal(made.mediaType, wanted.mediaType);
      assert.equal(made.config.mediaType, wanted.config.mediaType);
      const bare = ({ mediaType: type, digest, size, urls }: Descriptor) => ({ type, digest, size, urls });
      assert.deepEqual(made.layers.map(bare), wanted.layers.map(bare));
    });
});
