import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { ingest } from '../../src/content/copy.ts';
import { is } from '../../src/errors.ts';
import { parseFilters } from '../../src/filters/filter.ts';
import { describe as describeBytes } from '../../src/spec/descriptor.ts';
import { parseDigest } from '../../src/spec/digest.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { temporaryDirectory } from '../support/temporary.ts';

// What a program in JavaScript may hand in, of which no compiler has warned it.
describe('a value of a wrong type', () => {
  it('is refused in words, before anything is done with it', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', randomImage({ seed: 'misuse', platforms: ['linux/amd64'] }), '1');
    await using client = Client.over(memoryServices());
    const { content, images, leases } = client.services;
    const target = describeBytes('a/b', 'text');
    const calls: Record<string, () => unknown> = {
      'a reference that is missing': () => client.pull(undefined as never),
      'platforms as a text': () => client.pull(`${registry.host}/team/app:1`, { platforms: 'linux/amd64' as never }),
      'an archive as bytes': () => client.import(Buffer.from('tar') as never),
      'a digest in place of a descriptor': () => content.reader(target.digest as never),
      'a digest that is missing': () => parseDigest(undefined as never),
      'filters in an array': () => Array.fromAsync(content.walk(['labels.x'] as never)),
      'a filter that is no array': () => parseFilters('name==x' as never),
      'an image without a name': () => images.create({ target } as never),
      'an image without a target': () => images.create({ name: 'x' } as never),
      'a label that is no text': () => images.create({ name: 'x', target, labels: { a: 1 } as never }),
      'a lease until a Date': () => leases.create({ expiresAt: new Date() as never }),
    };
    for (const [what, call] of Object.entries(calls))
      await assert.rejects(
        async () => await call(),
        (error) => is(error, 'invalid-argument'),
        what,
      );
  });

  it('does not open a store that flushes less than was meant, or a namespace', async () => {
    await using directory = await temporaryDirectory();
    const root = directory.join('store');
    const wrong = (error: unknown) => is(error, 'invalid-argument');
    await assert.rejects(Client.open({ root, durability: 'ful' as never }), wrong);
    await assert.rejects(Client.open({ root, durability: 'none', namespace: 5 as never }), wrong);
  });
});

it('bytes can be ingested again by who does not know what they are, and keep what they get', async () => {
  await using services = memoryServices();
  const { content } = services;
  const target = describeBytes('a/b', 'again');
  const bytes = () => Readable.from([Buffer.from('again')]);
  await ingest(content, { ref: 'one', labels: { a: '1' } }, bytes());
  await ingest(content, { ref: 'two', labels: { b: '2' } }, bytes());
  const { digest, labels } = await ingest(content, { ref: 'three', target, labels: { c: '3' } }, bytes());
  assert.deepEqual([digest, labels], [target.digest, { a: '1', b: '2', c: '3' }]);
});

it('a text is described by its bytes', () => {
  assert.deepEqual(describeBytes('a/b', 'ä'), describeBytes('a/b', Buffer.from('ä')));
  assert.equal(describeBytes('a/b', 'ä').size, 2);
});
