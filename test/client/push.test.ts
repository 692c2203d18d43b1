import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { is } from '../../src/errors.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { encodedOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { namesIn, putBlobs } from '../oci/images.ts';
import { temporaryDirectory } from '../support/temporary.ts';

describe('a push of an image of which only some platforms were pulled', () => {
  it('says what to do, and sends those that are named', async () => {
    await using registry = await ScriptedRegistry.start();
    await using client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
    registry.add('lab/all', randomImage({ seed: 'some', platforms: ['linux/amd64', 'linux/arm64'] }), '1');
    const name = `${registry.host}/lab/all:1`;
    await client.pull(name, { platforms: ['linux/arm64'] });
    const target = `${registry.host}/lab/some:1`;
    // All is also what a caller gets whose own option was not given.
    for (const options of [{ target }, { target, platforms: undefined }])
      await assert.rejects(client.push(name, options), (error) => {
        assert.ok(is(error, 'not-found'));
        assert.match(error.message, /which is what the index has for linux\/amd64$/);
        assert.match(String(error.context.hint), /--platform.*--all-platforms/);
        return true;
      });
    await client.push(name, { target, platforms: ['linux/arm64'], root: 'manifest' });
    assert.equal(registry.repository('lab/some').manifests.size, 1);
  });
});

describe('a push of an object', () => {
  it('needs no name in the store, and takes nothing but what is below the object', async () => {
    await using registry = await ScriptedRegistry.start();
    await using client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
    const image = randomImage({ seed: 'nameless', platforms: ['linux/amd64', 'linux/arm64'] });
    await putBlobs(client.services.content, image.blobs);
    const object = image.blobs
      .map(({ descriptor }) => descriptor)
      .find(({ mediaType }) => mediaType === mediaTypes.ociManifest);
    const { root, reference } = await client.push(`${registry.host}/lab/one:1`, { object });
    assert.deepEqual([root, reference], [object, `${registry.host}/lab/one@${object?.digest}`]);
    const repository = registry.repository('lab/one');
    assert.deepEqual([...repository.manifests.keys()], [object?.digest]);
    assert.equal(repository.tags.get('1'), object?.digest);
    assert.deepEqual(await namesIn(client.services), {});
  });
});

describe('a push out of a store on whose disk a bit has flipped', () => {
  it('ends with an error, whichever blob it was, and the registry gets no name for what was sent', async () => {
    const image = randomImage({ seed: 'flipped', layers: [300_000] });
    for (const { descriptor } of image.blobs) {
      await using directory = await temporaryDirectory();
      await using registry = await ScriptedRegistry.start();
      await using client = await Client.open({
        root: directory.join('store'),
        durability: 'none',
        registry: { credentials: noCredentials },
      });
      await putBlobs(client.services.content, image.blobs);
      await client.services.images.create({ name: `${registry.host}/lab/app:1`, target: image.root });
      const path = directory.join('store', 'content', 'blobs', 'sha256', encodedOf(descriptor.digest));
      const bytes = await readFile(path);
      bytes[bytes.byteLength >> 1] = (bytes[bytes.byteLength >> 1] ?? 0) ^ 1;
      await chmod(path, 0o644);
      await writeFile(path, bytes);
      await assert.rejects(client.push(`${registry.host}/lab/app:1`), (error) => {
        assert.ok(is(error, 'data-loss'), String(error));
        assert.equal(error.reason, 'digest-mismatch');
        return true;
      });
      assert.equal(registry.repository('lab/app').tags.size, 0);
      assert.equal(registry.repository('lab/app').blobs.has(descriptor.digest), false);
    }
  });
});
