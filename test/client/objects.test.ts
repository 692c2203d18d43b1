import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { temporaryDirectory } from '../support/temporary.ts';

describe('a blob alone', () => {
  it('is asked for past caches when it came with wrong bytes', async () => {
    await using registry = await ScriptedRegistry.start({ quirks: { staleCache: true } });
    await using client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
    const { descriptor, bytes } = randomBlob(10_000, 'stale');
    registry.repository('lab/one').addBlob(bytes);
    const info = await client.fetchBlob(`${registry.host}/lab/one:1`, descriptor.digest);
    assert.equal(info.size, 10_000);
    assert.deepEqual(
      registry.requests.filter(({ method }) => method === 'GET').map(({ headers }) => headers['cache-control']),
      [undefined, 'no-cache'],
    );
  });
});

describe('an image whose blobs come with wrong bytes', () => {
  const image = randomImage({ seed: 'stale image', layers: [1000, 100_000] });

  it('is asked for past caches when somebody looks at its config', async () => {
    await using registry = await ScriptedRegistry.start({ quirks: { staleCache: true } });
    registry.add('lab/app', image, '1');
    await using client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
    const { descriptor } = await client.config(`${registry.host}/lab/app:1`);
    assert.ok(image.blobs.some((blob) => blob.descriptor.digest === descriptor.digest));
  });

  for (const kind of ['store', 'oci', 'oci-archive', 'registry']) {
    it(`is asked for past caches on its way to a place of the kind ${kind}`, async () => {
      await using directory = await temporaryDirectory();
      await using registry = await ScriptedRegistry.start({ quirks: { staleCache: true } });
      await using other = await ScriptedRegistry.start();
      registry.add('lab/app', image, '1');
      await using client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
      const name = `${kind === 'registry' ? other.host : 'example.com'}/lab/app:1`;
      const target = { store: `store:${name}`, registry: name }[kind] ?? `${kind}:${join(directory.path, 'copy')}`;
      const { root } = await client.copy(`${registry.host}/lab/app:1`, target);
      assert.equal(root.digest, image.root.digest);
    });
  }
});
