import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import type { Interceptor } from '../../src/registry/handler.ts';
import { fileBlobLocations } from '../../src/remotes/docker/blob-locations.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { startTestRegistry } from '../../src/testing/embedded-registry.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { registryFailure, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { temporaryDirectory } from '../support/temporary.ts';

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

  it('are remembered as long as a label has room for them, and pulled all the same', async () => {
    await using registry = await ScriptedRegistry.start();
    for (const name of ['a/one', 'b/two', `c/${'x'.repeat(180)}`]) registry.add(name, image, '1');
    await using client = Client.over(memoryServices(), { registry: { credentials: { get: async () => undefined } } });
    const key = `containerd.io/distribution.source.${registry.host.replace(/:\d+$/, '')}`;
    const origins = async (): Promise<string | undefined> =>
      (await client.services.content.info(layer.digest)).labels[key];
    await client.pull(`${registry.host}/b/two:1`);
    await client.pull(`${registry.host}/a/one:1`);
    assert.equal(await origins(), 'a/one,b/two');
    const full = `a/${'y'.repeat(4096 - Buffer.byteLength(key) - 2)}`;
    await client.services.content.update({ digest: layer.digest, labels: { [key]: full } }, `labels.${key}`);
    await client.pull(`${registry.host}/c/${'x'.repeat(180)}:1`);
    assert.equal(await origins(), full);
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

describe('blobs that were sent to the registry before', () => {
  const registry = { credentials: { get: async () => undefined } };

  it('are mounted from there by a later process, whose copy is of another repository', async () => {
    await using directory = await temporaryDirectory();
    await using source = await ScriptedRegistry.start();
    await using target = await ScriptedRegistry.start();
    for (const name of ['team/one', 'team/two']) {
      source.add(name, image, '1');
      target.clear();
      await using client = await Client.open({ root: directory.join('store'), registry });
      await client.copy(`${source.host}/${name}:1`, `${target.host}/mirror/${name}:1`);
    }
    const asked = target.log().filter((line) => line.includes(encodeURIComponent(layer.digest)));
    assert.equal(asked.length, 1);
    assert.match(asked[0] ?? '', /^POST .*mount=.*from=mirror%2Fteam%2Fone 201$/);
    const bytes = source.log().filter((line) => line.includes(`GET /v2/team/two/blobs/${layer.digest}`));
    assert.deepEqual(bytes, []);
  });

  it('are sent again when they are gone, and looked for where they were sent', async () => {
    await using directory = await temporaryDirectory();
    await using target = await ScriptedRegistry.start({ quirks: { mounts: 'session' } });
    const locations = fileBlobLocations(directory.join('locations'));
    await locations.add(target.host, layer.digest, 'team/gone');
    await using client = Client.over(memoryServices(), { registry: { ...registry, locations } });
    await using source = await ScriptedRegistry.start();
    source.add('team/app', image, '1');
    await client.copy(`${source.host}/team/app:1`, `${target.host}/team/app:1`);
    assert.deepEqual(await locations.get(target.host, layer.digest), ['team/app', 'team/gone']);
    target.clear();
    await client.copy(`${source.host}/team/app:1`, `${target.host}/team/app:2`);
    assert.ok(!target.log().some((line) => line.includes('mount=')));
  });

  it('are sent again when the registry loses them before the manifest comes, once', async () => {
    await using directory = await temporaryDirectory();
    await using source = await ScriptedRegistry.start();
    source.add('team/app', image, '1');
    const services = memoryServices();
    let cleanups = 2;
    const intercept: Interceptor = async ({ method, url = '' }) => {
      if (method === 'PUT' && url.includes('/manifests/') && cleanups-- > 0)
        await services.content.delete(layer.digest);
      return false;
    };
    await using target = await startTestRegistry({ services, intercept });
    const copy = async (): Promise<unknown> => {
      await using client = Client.withoutStore({ root: directory.path, registry });
      return await client.copy(`${source.host}/team/app:1`, `${target.address}/team/app:1`);
    };
    await fails(copy(), 'content-missing', /run it again/);
    assert.deepEqual(await Array.fromAsync(services.images.list()), []);
    cleanups = 1;
    await copy();
    assert.equal((await services.content.info(layer.digest)).size, layer.size);
  });

  it('are remembered in a file for its owner alone, which does not grow for ever', async () => {
    await using directory = await temporaryDirectory();
    const locations = fileBlobLocations(directory.join('locations'));
    const repository = 'a/'.repeat(100_000);
    for (let count = 0; count < 10; count++) await locations.add('r.io', layer.digest, `${repository}${count}`);
    const found = await locations.get('r.io', layer.digest);
    assert.equal(found[0], `${repository}9`);
    assert.ok(found.length < 10);
    assert.deepEqual(await locations.get('r.io:443', layer.digest), []);
    const [file = ''] = await readdir(directory.join('locations'));
    const { size, mode } = await stat(directory.join('locations', file));
    assert.ok(size < 1024 * 1024);
    if (process.platform !== 'win32') assert.equal(mode & 0o777, 0o600);
  });

  it('are sent where nothing can be remembered', async () => {
    const locations = fileBlobLocations(import.meta.filename);
    await using target = await ScriptedRegistry.start();
    await using source = await ScriptedRegistry.start();
    source.add('team/app', image, '1');
    await using client = Client.over(memoryServices(), { registry: { ...registry, locations } });
    await client.copy(`${source.host}/team/app:1`, `${target.host}/team/app:1`);
    assert.ok(target.repository('team/app').bytesOf(layer.digest));
  });
});
