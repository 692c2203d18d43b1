import assert from 'node:assert/strict';
import { rm, symlink, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { DrayError } from '../../src/errors.ts';
import { DirectoryPlace } from '../../src/oci/directory.ts';
import { parsePlace } from '../../src/oci/place.ts';
import { encodedOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { type RandomImage, randomImage } from '../../src/testing/random.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';
import { blobsIn, fails, namesIn } from './images.ts';

/** A directory as skopeo writes it: with `--all` an index in `manifest.json`, and its manifests beside the blobs. */
async function folderOf(image: RandomImage): Promise<TemporaryDirectory> {
  const directory = await temporaryDirectory();
  for (const { descriptor, bytes } of image.blobs) {
    const hex = encodedOf(descriptor.digest);
    const isChild = descriptor.mediaType === mediaTypes.ociManifest;
    const name = descriptor.digest === image.root.digest ? 'manifest.json' : isChild ? `${hex}.manifest.json` : hex;
    await writeFile(directory.join(name), bytes);
  }
  return directory;
}

async function copied(directory: TemporaryDirectory, client = Client.over(memoryServices())): Promise<Client> {
  await client.copy(`dir:${directory.path}`, 'store:app:1');
  return client;
}

describe('a directory as skopeo writes one', () => {
  for (const platforms of [['linux/amd64'], ['linux/amd64', 'linux/arm64']])
    it(`is copied whole: ${platforms.join()}`, async () => {
      const image = randomImage({ seed: 'folder', layers: [0, 100_000], platforms });
      await using directory = await folderOf(image);
      await using client = await copied(directory);
      assert.deepEqual(await namesIn(client.services), { 'docker.io/library/app:1': image.root.digest });
      const expected = new Set(image.blobs.map(({ descriptor }) => descriptor.digest as string));
      assert.deepEqual(new Set(await blobsIn(client.services)), expected);
    });

  it('is told from a layout, and is a source only', async () => {
    await using directory = await temporaryDirectory();
    const place = parsePlace(`dir:${directory.path}`);
    assert.ok(place instanceof DirectoryPlace);
    await fails(place.source(), 'not-found', /no image at/);
    await fails(place.target(), 'not-implemented');
  });

  it('is refused when a blob is missing, a link or another one, and nothing is named', async () => {
    const image = randomImage({ seed: 'damaged', layers: [5000] });
    const [layer = image.root] = image.blobs.map(({ descriptor }) => descriptor);
    await using outside = await temporaryDirectory();
    await writeFile(outside.join('secret'), image.blobs[0]?.bytes ?? '');
    for (const damage of [
      (path: string) => rm(path),
      (path: string) => writeFile(path, 'something else'),
      async (path: string) => {
        await rm(path);
        await symlink(outside.join('secret'), path);
      },
    ]) {
      await using directory = await folderOf(image);
      await damage(directory.join(encodedOf(layer.digest)));
      await using client = Client.over(memoryServices());
      await assert.rejects(copied(directory, client), (error) => error instanceof DrayError);
      assert.deepEqual(await namesIn(client.services), {});
    }
  });

  it('is refused when its manifest is no image document', async () => {
    for (const text of ['', '[]', '{}', '{"schemaVersion":1']) {
      await using directory = await temporaryDirectory();
      await writeFile(directory.join('manifest.json'), text);
      await fails(new DirectoryPlace(directory.path).source(), 'invalid-argument', 'bad-document');
    }
  });
});
