import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { registryFailure, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';

const image = randomImage({ seed: 'mounts', layers: [100_000] });
const [layer = image.root] = image.blobs.map(({ descriptor }) => descriptor);

describe('blobs that the registry has in other repositories', () => {
  it('are taken from where they were seen, the nearest repository first', async () => {
    await using registry = await ScriptedRegistry.start({ quirks: { mounts: 403 } });
    registry.add('seen/here', image, '1');
    await using client = Client.over(memoryServices(), { registry: { credentials: { get: async () => undefined } } });
    await client.pull(`${registry.host}/seen/here:1`);
    const host = registry.host.replace(/:\d+$/, '');
    const value = 'a/b,org/other/x,org/team/x,z';
    const labels = { [`containerd.io/distribution.source.${host}`]: value };
    await client.services.content.update(
      { digest: layer.digest, labels },
      ...Object.keys(labels).map((key) => `labels.${key}`),
    );
    await client.push(`${registry.host}/seen/here:1`, { target: `${registry.host}/org/team/app:1` });
    const asked = registry.log().filter((line) => line.includes(encodeURIComponent(layer.digest)));
    assert.deepEqual(asked.flatMap((line) => /from=([^ ]+)/.exec(line)?.[1] ?? []).map(decodeURIComponent), [
      'org/team/x',
      'org/other/x',
      'a/b',
    ]);
  });

  it('are mounted in one request each when a copy stays within one registry', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    await using client = Client.over(memoryServices(), { registry: { credentials: { get: async () => undefined } } });
    await client.copy(`${registry.host}/team/app:1`, `${registry.host}/team/copy:1`);
    const blobs = registry.log().filter((line) => line.includes('/blobs/'));
    assert.equal(blobs.length, image.blobs.length - 1);
    assert.ok(blobs.every((line) => /^POST .*mount=.* 201$/.test(line)));
  });

  it('are copied where they cannot be mounted and the registry wants to be left alone again and again', async () => {
    await using registry = await ScriptedRegistry.start({ quirks: { mounts: 'session' } });
    registry.add('team/app', randomImage({ seed: 'small', layers: [60_000] }), '1');
    const settings = { credentials: { get: async () => undefined }, retry: { pause: 1, longestPause: 4 } };
    await using client = Client.over(memoryServices(), { registry: settings });
    const answer = { ...registryFailure(429, 'TOOMANYREQUESTS'), headers: { 'retry-after': '0' } };
    registry.script({ on: 'PUT *uploads*', times: 8, answer });
    await client.copy(`${registry.host}/team/app:1`, `${registry.host}/team/copy:1`);
    assert.equal(registry.log().filter((line) => line.endsWith(' 429')).length, 8);
  });
});
