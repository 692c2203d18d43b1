import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { MemoryStore } from '../../src/content/memory/memory-store.ts';
import { childrenHandler, filterPlatforms, labelChildren, limitManifests } from '../../src/images/children.ts';
import { check, config, diffIds, manifest, platforms, presentSize, size } from '../../src/images/inspect.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { allPlatforms, formatPlatform, only, parsePlatform } from '../../src/spec/platform.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { document, type RandomBlob, randomImage } from '../../src/testing/random.ts';
import { blobFile, put, temporaryStore } from '../metadata/support.ts';

async function holding(blobs: readonly RandomBlob[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const { descriptor, bytes } of blobs) {
    await using writer = await store.writer({ ref: descriptor.digest });
    await writer.write(bytes);
    await writer.commit();
  }
  return store;
}

const context = { signal: new AbortController().signal };
const arm = { platform: only(parsePlatform('linux/arm64')) };
const amd = { platform: only(parsePlatform('linux/amd64')) };
const image = randomImage({
  seed: 'inspect',
  platforms: ['linux/amd64', 'linux/arm64', 'linux/s390x'],
  layers: [100, 200],
});

describe('looking at an image', () => {
  it('finds the manifest, config and diff IDs of a platform', async () => {
    const store = await holding(image.blobs);
    for (const options of [arm, amd]) {
      const found = await manifest(store, image.root, options);
      assert.ok(options.platform.matches(found.descriptor.platform ?? { os: '', architecture: '' }));
      const { config: parsed } = await config(store, image.root, options);
      assert.ok(options.platform.matches(parsed));
      assert.deepEqual(
        await diffIds(store, image.root, options),
        found.manifest.layers.map((layer) => layer.digest),
      );
    }
  });

  it('says that a platform is missing, and how to see which there are', async () => {
    const store = await holding(image.blobs);
    await fails(
      manifest(store, image.root, { platform: only(parsePlatform('windows/amd64')) }),
      'not-found',
      /platform/,
    );
  });

  it('judges a child that names no platform by its config, and tries the next', async () => {
    const bare = randomImage({ seed: 'bare', platforms: ['linux/arm64', 'linux/amd64'] });
    const manifests = bare.blobs.filter((blob) => blob.descriptor.mediaType === mediaTypes.ociManifest);
    const index = document(mediaTypes.ociIndex, { manifests: manifests.map((one) => one.descriptor) });
    const nested = document(mediaTypes.ociIndex, { manifests: [index.descriptor] });
    const store = await holding([...bare.blobs, index, nested]);
    assert.equal((await manifest(store, nested.descriptor, amd)).descriptor.digest, manifests[1]?.descriptor.digest);
    assert.equal((await manifest(store, index.descriptor, arm)).descriptor.digest, manifests[0]?.descriptor.digest);
  });

  it('takes a manifest given directly as it is', async () => {
    const single = randomImage({ seed: 'single', platforms: ['plan9/386'] });
    assert.equal((await manifest(await holding(single.blobs), single.root, amd)).descriptor.digest, single.root.digest);
  });

  it('tells an artifact and a schema 1 manifest from an image', async () => {
    const empty = document(mediaTypes.ociEmpty, {});
    const artifact = document(mediaTypes.ociManifest, { config: empty.descriptor, layers: [], artifactType: 'a/b' });
    const store = await holding([empty, artifact]);
    await fails(config(store, artifact.descriptor), 'invalid-argument', /artifact/);
    const old: Descriptor = { ...artifact.descriptor, mediaType: mediaTypes.dockerSchema1Signed };
    await fails(manifest(store, old), 'invalid-argument', /convert/);
  });

  it('adds up what a platform needs, each object once', async () => {
    const store = await holding(image.blobs);
    const { descriptor, manifest: found } = await manifest(store, image.root, arm);
    const expected = [image.root, descriptor, found.config, ...found.layers].reduce((sum, one) => sum + one.size, 0);
    assert.equal(await size(store, image.root, arm), expected);
  });

  it('lists the platforms of an index, and of a lone manifest by its config', async () => {
    const store = await holding(image.blobs);
    assert.deepEqual((await platforms(store, image.root)).map(formatPlatform), [
      'linux/amd64',
      'linux/arm64',
      'linux/s390x',
    ]);
    const lone = randomImage({ seed: 'lone', platforms: ['linux/riscv64'] });
    assert.deepEqual((await platforms(await holding(lone.blobs), lone.root)).map(formatPlatform), ['linux/riscv64']);
  });

  it('says exactly what is missing', async () => {
    const { descriptor, manifest: found } = await manifest(await holding(image.blobs), image.root, arm);
    const needed = [image.root, descriptor, found.config, ...found.layers];
    for (const gone of needed) {
      const store = await holding(image.blobs);
      await store.delete(gone.digest);
      const result = await check(store, image.root, arm);
      assert.deepEqual(
        result.missing.map((one) => one.digest),
        [gone.digest],
      );
      assert.equal(result.available, gone !== image.root && gone !== descriptor);
    }
    const whole = await check(await holding(image.blobs), image.root, arm);
    assert.deepEqual(whole.missing, []);
    assert.equal(whole.present.length, 5);
    assert.deepEqual(
      (await check(await holding([]), image.root, arm)).missing.map((one) => one.digest),
      [image.root.digest],
    );
  });

  it('says what is missing where a store knows blobs whose files are gone, cut or rotten, and adds up the rest', async () => {
    await using fixture = await temporaryStore();
    const { content } = fixture.services;
    for (const { bytes } of image.blobs) await put(content, 'r', bytes);
    const { descriptor, manifest: found } = await manifest(content, image.root, arm);
    for (const lost of [...found.layers, found.config, descriptor, image.root]) {
      const path = blobFile(fixture.root, lost.digest);
      const bytes = await readFile(path);
      for (const damaged of [undefined, bytes.subarray(1), Buffer.alloc(bytes.length)]) {
        await rm(path, { force: true });
        if (damaged !== undefined) await writeFile(path, damaged);
        const isRotten = damaged?.length === bytes.length && lost !== descriptor && lost !== image.root;
        const result = await check(content, image.root, arm);
        assert.deepEqual(
          result.missing.map((one) => one.digest),
          isRotten ? [] : [lost.digest],
        );
        assert.ok((await presentSize(content, image.root)) >= image.root.size);
      }
      await rm(path, { force: true });
      await writeFile(path, bytes);
    }
  });

  it('does not stop at an image that is nested deeper than any', async () => {
    const nested: RandomBlob[] = [document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [] })];
    for (let depth = 0; depth < 40; depth += 1)
      nested.push(document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [nested.at(-1)?.descriptor] }));
    const store = await holding(nested);
    const root = nested.at(-1)?.descriptor as Descriptor;
    assert.ok((await presentSize(store, root)) >= root.size);
    assert.deepEqual(await check(store, root, { select: (_, children) => children }), {
      available: false,
      required: [root],
      present: [],
      missing: [root],
    });
  });

  it('does not stop at a document that is none', async () => {
    const root = document(mediaTypes.ociManifest, { schemaVersion: 'none' });
    const store = await holding([root]);
    const { available, missing } = await check(store, root.descriptor);
    assert.deepEqual([available, missing], [false, [root.descriptor]]);
    assert.equal(await presentSize(store, root.descriptor), root.bytes.length);
  });
});

describe('children', () => {
  it('of unknown types are none, and their bytes are not read', async () => {
    const unread = { reader: () => assert.fail('read') };
    assert.deepEqual(await childrenHandler(unread)({ ...image.root, mediaType: 'application/x-unknown' }, context), []);
  });

  it('over the limit are not read', async () => {
    const unread = { reader: () => assert.fail('read') };
    await fails(childrenHandler(unread, { limit: 10 })(image.root, context), 'bad-document');
  });

  it('are filtered by platform and limited to the best', async () => {
    const handler = childrenHandler(await holding(image.blobs));
    const matcher = only(parsePlatform('linux/arm64'));
    assert.equal((await filterPlatforms(handler, matcher)(image.root, context)).length, 1);
    assert.equal((await filterPlatforms(handler, allPlatforms)(image.root, context)).length, 3);
    assert.deepEqual(
      (await limitManifests(handler, matcher, 0)(image.root, context)).map((one) => one.platform?.architecture),
      ['arm64', 'amd64', 's390x'],
    );
    await fails(
      limitManifests(filterPlatforms(handler, only(parsePlatform('linux/386'))), matcher, 1)(image.root, context),
      'not-found',
    );
  });

  it('are recorded on their parent before any filter', async () => {
    const store = await holding(image.blobs);
    const matcher = only(parsePlatform('linux/arm64'));
    const handler = filterPlatforms(labelChildren(store, childrenHandler(store)), matcher);
    assert.equal((await handler(image.root, context)).length, 1);
    assert.equal(Object.keys((await store.info(image.root.digest)).labels).length, 3);
  });
});
