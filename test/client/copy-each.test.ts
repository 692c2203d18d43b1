import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import type { Copied, OpenCopy } from '../../src/client/copy.ts';
import { copyEach } from '../../src/client/copy-each.ts';
import { is } from '../../src/errors.ts';
import { noCredentials } from '../../src/remotes/docker/credentials.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';

const tags = Array.from({ length: 40 }, (_, index) => `t${String(index).padStart(2, '0')}`);

describe('images copied in turn', () => {
  it('say in that order what became of each, and one that fails ends nothing', async () => {
    await using scene = await open();
    const { client, source, target, pairs } = scene;
    const missing = { source: `${source}:none`, target: `${target}:none` };
    const malformed = { source: `${source}:no tag`, target: `${target}:x` };
    const results = await Array.fromAsync(client.copyEach([pairs[0], missing, malformed, pairs[1]].filter(isDefined)));
    assert.deepEqual(
      results.map((result) => (result.status === 'fulfilled' ? result.value.root.digest : kindOf(result.reason))),
      [scene.digests[0], 'not-found', 'invalid-argument', scene.digests[1]],
    );
  });

  it('cost one request on each side when they are there', async () => {
    await using scene = await open();
    const { client, pairs, registry } = scene;
    for await (const result of client.copyEach(pairs)) assert.equal(result.status, 'fulfilled');
    const before = registry.log().length;
    const summaries = await Array.fromAsync(client.copyEach(pairs), (result) =>
      result.status === 'fulfilled' ? result.value.summary : undefined,
    );
    assert.ok(summaries.every((summary) => summary?.pushed === 0 && summary.existed === 1));
    assert.equal(registry.log().length - before, 2 * tags.length);
  });

  it('look for an image at the target once, though it is not there', async () => {
    await using scene = await open();
    const { client, pairs, registry } = scene;
    const [pair] = pairs;
    assert.ok(pair !== undefined);
    const before = registry.log().length;
    for await (const result of client.copyEach([pair])) assert.equal(result.status, 'fulfilled');
    const looks = registry
      .log()
      .slice(before)
      .filter((line) => line.startsWith('HEAD /v2/copy/manifests/'));
    assert.deepEqual(looks, [`HEAD /v2/copy/manifests/${tags[0]} 404`]);
  });

  it('send what several of them share once, and name it by its other tags', async () => {
    await using scene = await open();
    const { client, registry, source } = scene;
    for (const tag of tags) registry.repository('app').tags.set(tag, randomImage({ seed: 'shared' }).root.digest);
    registry.add('app', randomImage({ seed: 'shared' }), 'shared');
    await using other = await ScriptedRegistry.start();
    const pairs = tags.map((tag) => ({ source: `${source}:${tag}`, target: `${other.host}/copy:${tag}` }));
    for await (const result of client.copyEach(pairs)) assert.equal(result.status, 'fulfilled');
    const sent = other.log().filter((line) => line.startsWith('POST ') || line.startsWith('PUT /v2/copy/blobs/'));
    assert.equal(new Set(sent).size, sent.length, sent.join('\n'));
    assert.deepEqual([...other.repository('copy').tags.keys()].sort(), tags);
  });

  it('are sent whole where the target has the manifest without what it refers to', async () => {
    await using scene = await open();
    const { client, registry, source } = scene;
    const image = randomImage({ seed: 'torn' });
    registry.add('app', image, 'torn');
    await using other = await ScriptedRegistry.start();
    other.add('copy', image, 'before');
    const layer = image.blobs.find(({ descriptor }) => descriptor.mediaType.includes('layer'))?.descriptor;
    assert.ok(layer !== undefined && other.repository('copy').blobs.delete(layer.digest));
    const pairs = [{ source: `${source}:torn`, target: `${other.host}/copy:now` }];
    for await (const result of client.copyEach(pairs)) assert.equal(result.status, 'fulfilled');
    assert.ok(other.repository('copy').blobs.has(layer.digest));
    assert.equal(other.repository('copy').tags.get('now'), image.root.digest);
  });

  it('stay where they are once the loop is left', async () => {
    await using scene = await open();
    const { client, pairs, registry } = scene;
    for await (const result of client.copyEach(pairs)) {
      assert.equal(result.status, 'fulfilled');
      break;
    }
    const named = registry.log().filter((line) => line.startsWith('PUT /v2/copy/manifests/'));
    assert.deepEqual(named, [`PUT /v2/copy/manifests/${tags[0]} 201`]);
  });

  it('are opened while another one is on its way, sixteen at the most, and closed once each', async () => {
    const opened: number[] = [];
    const closed: number[] = [];
    const enough = Promise.withResolvers<void>();
    const openOne = async (one: number): Promise<OpenCopy> => {
      opened.push(one);
      if (opened.length === 16) enough.resolve();
      const { root } = randomImage({ seed: String(one) });
      return {
        root,
        isThere: false,
        async run() {
          await enough.promise;
          assert.ok(opened.length <= closed.length + 16);
          return { reference: String(one), root } as Copied;
        },
        async [Symbol.asyncDispose]() {
          closed.push(one);
        },
      };
    };
    const numbers = Array.from({ length: 50 }, (_, index) => index);
    for await (const result of copyEach(numbers, openOne)) {
      assert.ok(result.status === 'fulfilled');
      if (result.value.reference === '20') break;
    }
    assert.deepEqual(closed, opened);
    assert.ok(opened.length < numbers.length);
  });

  it('are all told to have ended when the signal says so', async () => {
    await using scene = await open();
    const stop = new AbortController();
    const reason = new Error('enough');
    const results: unknown[] = [];
    for await (const result of scene.client.copyEach(scene.pairs, { signal: stop.signal })) {
      results.push(result.status === 'rejected' ? result.reason : 'copied');
      stop.abort(reason);
    }
    assert.deepEqual(results, ['copied', ...tags.slice(1).map(() => reason)]);
  });
});

interface Scene extends AsyncDisposable {
  readonly registry: ScriptedRegistry;
  readonly client: Client;
  readonly source: string;
  readonly target: string;
  readonly pairs: readonly { readonly source: string; readonly target: string }[];
  readonly digests: readonly string[];
}

async function open(): Promise<Scene> {
  const registry = await ScriptedRegistry.start();
  const images = tags.map((tag) => randomImage({ seed: tag }));
  for (const [index, image] of images.entries()) registry.add('app', image, tags[index] ?? '');
  const client = Client.over(memoryServices(), { registry: { credentials: noCredentials } });
  const [source, target] = [`${registry.host}/app`, `${registry.host}/copy`];
  return {
    registry,
    client,
    source,
    target,
    pairs: tags.map((tag) => ({ source: `${source}:${tag}`, target: `${target}:${tag}` })),
    digests: images.map((image) => image.root.digest),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

function kindOf(error: unknown): string {
  return is(error, 'not-found') ? 'not-found' : is(error, 'invalid-argument') ? 'invalid-argument' : String(error);
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined;
}
