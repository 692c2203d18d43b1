import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomBlob } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';

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
