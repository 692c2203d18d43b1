import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { is } from '../../src/errors.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { temporaryDirectory } from '../support/temporary.ts';

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
      await fails(client.everyTag(source, target), 'invalid-argument');
    for (const place of ['oci:layout:1', 'oci:layout:r.io/app:1', 'oci-archive:a.tar', 'store:app:1', 'dir:d'])
      await assert.rejects(client.everyTag(repository, place), (error) => is(error, 'invalid-argument'), place);
    assert.deepEqual(registry.log(), []);
  });

  it('goes from a registry into a layout, from there into a store and back, with every image', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    await using last = await ScriptedRegistry.start();
    const images = new Map(['1', '2', 'latest'].map((tag) => [tag, randomImage({ seed: tag })]));
    for (const [tag, image] of images) registry.add('team/app', image, tag);
    await using client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
    const stations = [
      `${registry.host}/team/app`,
      `oci:${directory.join('tags')}`,
      'store:app',
      `oci:${directory.join('names')}:r.io/team/app`,
      `${last.host}/back`,
    ];
    for (const [index, target] of stations.slice(1).entries()) {
      const pairs = await client.everyTag(stations[index] ?? '', target);
      for await (const { status } of client.copyEach(pairs)) assert.equal(status, 'fulfilled', target);
    }
    const roots = [...images].map(([tag, { root }]) => [tag, root.digest]);
    assert.deepEqual([...last.repository('back').tags].sort(), roots);
  });

  it('is looked at once where the target has it, a layout or a store', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    for (const tag of ['1', '2']) registry.add('team/app', randomImage({ seed: tag }), tag);
    await using client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
    for (const target of [`oci:${directory.path}`, 'store:app']) {
      const pairs = await client.everyTag(`${registry.host}/team/app`, target);
      await Array.fromAsync(client.copyEach(pairs));
      registry.clear();
      for await (const { status } of client.copyEach(pairs)) assert.equal(status, 'fulfilled', target);
      assert.deepEqual(
        registry.log().sort(),
        ['1', '2'].map((tag) => `HEAD /v2/team/app/manifests/${tag} 200`),
      );
    }
  });

  it('is told when a store or a layout has none', async () => {
    await using directory = await temporaryDirectory();
    await using client = Client.over(memoryServices());
    const image = randomImage({ seed: 'untagged' });
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    const layout = `oci:${directory.path}`;
    await client.copy(`${registry.host}/team/app:1`, layout);
    for (const source of ['store:app', layout])
      await assert.rejects(client.everyTag(source, 'mirror.example/app'), (error) => is(error, 'not-found'), source);
  });
});
