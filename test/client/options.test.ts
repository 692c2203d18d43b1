import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { DrayError, is } from '../../src/errors.ts';
import { RegistryClient } from '../../src/remotes/index.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { putBlobs } from '../oci/images.ts';

const isRefused = (error: unknown): boolean => is(error, 'invalid-argument');

describe('an option that makes no sense', () => {
  for (const count of [0, -1, Number.NaN, 1.5])
    it(`is refused before anything is done: ${count} of something`, async () => {
      assert.throws(() => new RegistryClient({ chunkSize: count }), isRefused);
      assert.throws(() => new RegistryClient({ concurrency: count }), isRefused);
      await using registry = await ScriptedRegistry.start();
      const image = randomImage({ seed: 'some' });
      registry.add('lab/one', image, '1');
      await using client = Client.over(memoryServices());
      await assert.rejects(client.pull(`${registry.host}/lab/one:1`, { concurrency: count }), isRefused);
    });

  it('is refused as the directory of a store: none is not the current one', async () => {
    await assert.rejects(Client.open({ root: '' }), isRefused);
    await assert.rejects(Client.open({ root: undefined as unknown as string }), isRefused);
  });
});

describe('a source of credentials of the caller', () => {
  for (const [how, get] of [
    ['rejects', () => Promise.reject(new Error('the vault is sealed'))],
    ['throws', () => assert.fail('the vault is sealed')],
  ] as const)
    it(`that ${how} fails a push with its own error, at once`, async () => {
      await using registry = await ScriptedRegistry.start({ access: { kind: 'basic', users: { u: 'p' } } });
      await using client = Client.over(memoryServices(), { registry: { credentials: { get } } });
      const image = randomImage({ seed: 'some' });
      await putBlobs(client.services.content, image.blobs);
      const push = client.push(`${registry.host}/lab/one:1`, { object: image.root });
      await assert.rejects(push, (error) => error instanceof DrayError && /^the vault is sealed/.test(error.message));
    });
});
