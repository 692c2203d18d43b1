import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { is } from '../../src/errors.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const image = randomImage({ seed: 'without', layers: [3_000_000] });
const registryOptions = { credentials: noCredentials };

describe('a client without a store', () => {
  it('copies between registries and layouts, and looks at them', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    registry.add('app', image, '1');
    await using client = Client.withoutStore({ registry: registryOptions });
    const [name, layout, copy] = [`${registry.host}/app:1`, `oci:${directory.join('l')}:1`, `${registry.host}/copy:1`];
    await client.copy(name, layout);
    const { root } = await client.copy(layout, copy);
    assert.equal(root.digest, image.root.digest);
    assert.equal((await client.resolve(copy)).descriptor.digest, image.root.digest);
    assert.equal(await client.copyDigestTags(name, copy, [image.root.digest]), 0);
  });

  it('fails with what needs one, and says so', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('app', image, '1');
    await using client = Client.withoutStore({ registry: registryOptions });
    const name = `${registry.host}/app:1`;
    const refused = (error: unknown): boolean => is(error, 'failed-precondition') && /no store/.test(error.message);
    await assert.rejects(client.pull(name), refused);
    await assert.rejects(client.push(name), refused);
    await assert.rejects(client.copy(name, 'store:app:1'), refused);
    assert.throws(() => client.services.images, refused);
    assert.equal(client.store, undefined);
  });

  it('remembers in a directory where it sent what, so that another client mounts it', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    await using source = await ScriptedRegistry.start();
    source.add('app', image, '1');
    const root = directory.join('store');
    for (const [path, moved] of [
      ['first', 'pushed'],
      ['second', 'mounted'],
    ] as const) {
      await using client = Client.withoutStore({ root, registry: registryOptions });
      const { summary } = await client.copy(`${source.host}/app:1`, `${registry.host}/${path}:1`);
      assert.ok(summary[moved] > 0, JSON.stringify(summary));
    }
    await assert.rejects(stat(directory.join('store', 'metadata.db')), { code: 'ENOENT' });
  });
});
