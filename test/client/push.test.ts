import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { namesIn, putBlobs } from '../oci/images.ts';

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
