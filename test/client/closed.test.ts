import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { LocalStore } from '../../src/content/index.ts';
import { DrayError, is } from '../../src/errors.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { emptyDigest } from '../../src/spec/digest.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const isClosed = (error: unknown): boolean => is(error, 'failed-precondition') && /closed/.test(error.message);

describe('a client that is closed', () => {
  for (const when of ['before it was used', 'after it was used'])
    it(`asks no registry any more, ${when}`, async () => {
      await using registry = await ScriptedRegistry.start();
      const client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
      const name = `${registry.host}/lab/one:1`;
      if (when.startsWith('after')) await fails(client.pull(name), 'not-found');
      await client[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
      const asked = registry.requests.length;
      await assert.rejects(client.pull(name), isClosed);
      await assert.rejects(client.resolve(name), isClosed);
      await assert.rejects(client.fetchBlob(name, emptyDigest('sha256')), isClosed);
      assert.equal(registry.requests.length, asked);
    });

  it('that is closed while it begins says so', async () => {
    await using registry = await ScriptedRegistry.start();
    const client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
    const pull = client.pull(`${registry.host}/lab/one:1`);
    await Promise.all([assert.rejects(pull, isClosed), client[Symbol.asyncDispose]()]);
  });

  it('tells why an import failed, and not that its lease could not be ended', async () => {
    await using directory = await temporaryDirectory();
    const client = await Client.open({ root: directory.join('store'), durability: 'none' });
    const archive = async function* (): AsyncGenerator<Uint8Array> {
      await client[Symbol.asyncDispose]();
      yield Buffer.from('no archive');
    };
    await assert.rejects(client.import(archive()), (error) => error instanceof DrayError);
  });
});

describe('a content store that is closed', () => {
  it('takes nothing in, and opens nothing again', async () => {
    await using directory = await temporaryDirectory();
    const store = new LocalStore(directory.join('store'));
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.writer({ ref: 'late' }), isClosed);
    await assert.rejects(store.abort('late'), isClosed);
  });
});

describe('a malformed reference', () => {
  it('rejects, whatever is done with it', async () => {
    await using client = Client.over(memoryServices());
    const isMalformed = (error: unknown): boolean => is(error, 'invalid-argument');
    await assert.rejects(() => client.pull('a b'), isMalformed);
    await assert.rejects(() => client.fetch('a b'), isMalformed);
    await assert.rejects(() => client.push('http://a/b'), isMalformed);
    await assert.rejects(() => client.copy('a b', 'a'), isMalformed);
    await assert.rejects(() => client.copy('a', ''), isMalformed);
    await assert.rejects(() => client.resolve('a b'), isMalformed);
    await assert.rejects(() => client.everyTag('a b', 'a'), isMalformed);
  });
});
