import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { is } from '../../src/errors.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';

describe('every tag of a repository', () => {
  it('comes with what it is to be called in the other one', async () => {
    await using registry = await ScriptedRegistry.start();
    for (const tag of ['1', '1.2', 'latest']) registry.add('team/app', randomImage({ seed: tag }), tag);
    await using client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
    const pairs = await client.everyTag(`${registry.host}/team/app`, 'mirror.example/app');
    assert.deepEqual(
      pairs,
      ['1', '1.2', 'latest'].map((tag) => ({
        source: `${registry.host}/team/app:${tag}`,
        target: `mirror.example/app:${tag}`,
      })),
    );
  });

  it('is of a repository and goes to one: a tag on either side is refused', async () => {
    await using registry = await ScriptedRegistry.start();
    await using client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
    const repository = `${registry.host}/team/app`;
    for (const [source, target] of [
      [`${repository}:1`, 'mirror.example/app'],
      [repository, 'mirror.example/app:1'],
    ] as const)
      await assert.rejects(client.everyTag(source, target), (error) => is(error, 'invalid-argument'));
    for (const place of ['oci:layout', 'oci-archive:a.tar', 'store:app', 'dir:d'])
      await assert.rejects(client.everyTag(repository, place), /is no repository of a registry/, place);
    assert.deepEqual(registry.log(), []);
  });
});
