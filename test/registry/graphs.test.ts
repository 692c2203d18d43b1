import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Provider } from '../../src/content/store.ts';
import { Graphs, type Roots } from '../../src/registry/graphs.ts';
import { parseIndex, parseManifest } from '../../src/spec/documents.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { type RandomImage, randomImage } from '../../src/testing/random.ts';
import { putBlobs } from '../oci/images.ts';

const images = Array.from({ length: 40 }, (_, n) =>
  randomImage({ seed: `graph ${n}`, layers: [10, 20], platforms: ['linux/amd64', 'linux/arm64'] }),
);
const roots = rootsOf(images);
const image = images.at(-1) as RandomImage;

function rootsOf(named: readonly RandomImage[]): Roots {
  return {
    repository: 'localhost/app',
    get: async (digest) => named.find(({ root }) => root.digest === digest)?.root,
    all: async () => named.map(({ root }) => root),
  };
}

function bytesOf(digest: string): Uint8Array {
  return image.blobs.find(({ descriptor }) => descriptor.digest === digest)?.bytes ?? new Uint8Array();
}

/** Images in a store, and how many documents were read of it. */
async function stored(): Promise<{ graphs: Graphs; reads: () => number }> {
  const { content } = memoryServices();
  for (const { blobs } of images) await putBlobs(content, blobs);
  let count = 0;
  const counting: Provider = {
    reader(target, options) {
      count += 1;
      return content.reader(target, options);
    },
  };
  return { graphs: new Graphs(counting), reads: () => count };
}

describe('what belongs to a repository by the names of its images', () => {
  it('is found below any of them, and nothing else', async () => {
    const { graphs } = await stored();
    for (const { descriptor } of image.blobs)
      assert.equal((await graphs.find(roots, descriptor.digest))?.digest, descriptor.digest);
    const [first, second] = images as [RandomImage, RandomImage];
    assert.equal(await graphs.find(rootsOf([first]), second.root.digest), undefined);
  });

  it('is found without a look at the others by who asks for what the last answer named', async () => {
    const { graphs, reads } = await stored();
    let lists = 0;
    const roots: Roots = {
      ...rootsOf(images),
      all: async () => {
        lists += 1;
        return [];
      },
    };
    graphs.noteRoot('localhost/app', image.root);
    for (const manifest of parseIndex(bytesOf(image.root.digest)).manifests) {
      assert.equal((await graphs.find(roots, manifest.digest))?.digest, manifest.digest);
      const { config, layers } = parseManifest(bytesOf(manifest.digest));
      for (const { digest } of [config, ...layers]) assert.equal((await graphs.find(roots, digest))?.digest, digest);
    }
    assert.equal(reads(), 3);
    assert.equal(lists, 0);
  });

  it('is not what was found below a name that is gone', async () => {
    const { graphs } = await stored();
    const [child] = parseIndex(bytesOf(image.root.digest)).manifests;
    assert.ok(child !== undefined);
    assert.ok((await graphs.find(roots, child.digest)) !== undefined);
    assert.equal(await graphs.find(rootsOf(images.slice(0, -1)), child.digest), undefined);
    assert.equal(await graphs.find(rootsOf(images.slice(0, -1)), image.root.digest), undefined);
  });
});
