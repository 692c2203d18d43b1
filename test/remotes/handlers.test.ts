import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fetcher } from '../../src/content/copy.ts';
import { MemoryStore } from '../../src/content/memory/memory-store.ts';
import { childrenHandler } from '../../src/images/children.ts';
import { dispatch, handlers, walk } from '../../src/images/handlers.ts';
import { transfer } from '../../src/images/transfer.ts';
import { fetchHandler, pushHandler } from '../../src/remotes/handlers.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { document, randomBlob, randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { openerOf, quickClient } from '../support/registry-client.ts';

const image = randomImage({ seed: 'handlers', layers: [1000, 100_000], platforms: ['linux/amd64', 'linux/arm64'] });

describe('the fetch handler', () => {
  it('together with one for children pulls a graph, each object once', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    await using client = quickClient();
    const { name, target } = await client.resolve(`${registry.host}/team/app:1`);
    const store = new MemoryStore();
    const fetch = fetchHandler(store, await client.fetcher(name), {
      labels: ({ digest }) => ({ 'example.com/of': digest }),
    });
    await dispatch(handlers(fetch, childrenHandler(store)), [target]);
    for (const { descriptor } of image.blobs) {
      const { size, labels } = await store.info(descriptor.digest);
      assert.equal(size, descriptor.size);
      assert.deepEqual(labels, { 'example.com/of': descriptor.digest });
    }
    assert.equal(registry.requests.length, 1 + image.blobs.length);
  });

  it('goes on where an earlier one stopped, and asks for nothing that is there', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    const layer = image.blobs.find(({ bytes }) => bytes.byteLength === 100_000);
    assert.ok(layer);
    registry.script({ on: 'GET *', times: 5, truncateAfter: 10_000 });
    await using client = quickClient({ retry: { attempts: 1 } });
    const store = new MemoryStore();
    const fetch = fetchHandler(store, await client.fetcher(`${registry.host}/team/app:1`));
    const signal = new AbortController().signal;
    await fails(fetch(layer.descriptor, { signal }), 'unavailable');
    registry.clear();
    await fetch(layer.descriptor, { signal });
    assert.deepEqual(
      registry.requests.map(({ headers }) => headers['range']),
      ['bytes=10000-'],
    );
    await fetch(layer.descriptor, { signal });
    assert.equal(registry.requests.length, 1);
  });

  it('takes bytes that are in the descriptor', async () => {
    await using registry = await ScriptedRegistry.start();
    await using client = quickClient();
    const [config] = image.blobs.filter(({ descriptor }) => /config/.test(descriptor.mediaType));
    assert.ok(config);
    const store = new MemoryStore();
    const fetch = fetchHandler(store, await client.fetcher(`${registry.host}/team/app:1`));
    const inline: Descriptor = { ...config.descriptor, data: Buffer.from(config.bytes).toString('base64') };
    await fetch(inline, { signal: new AbortController().signal });
    assert.equal((await store.info(config.descriptor.digest)).size, config.bytes.byteLength);
    assert.equal(registry.requests.length, 0);
  });

  it('keeps nothing of wrong bytes, after it has asked for them twice', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    registry.script({ on: 'GET *', corruptAt: 7 });
    await using client = quickClient();
    const store = new MemoryStore();
    const fetch = fetchHandler(store, await client.fetcher(`${registry.host}/team/app:1`));
    const descriptor = image.blobs[0]?.descriptor;
    assert.ok(descriptor);
    await fails(fetch(descriptor, { signal: new AbortController().signal }), 'digest-mismatch');
    assert.equal(registry.requests.length, 2);
  });
});

describe('one image of a push', () => {
  it('sends a layer once that several of its manifests have, so that no two uploads get into each other', async () => {
    const layer = randomBlob(100_000, 'shared', mediaTypes.ociLayer);
    const configs = ['amd64', 'arm64'].map((architecture) =>
      document(mediaTypes.ociConfig, { os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: [] } }),
    );
    const manifests = configs.map(({ descriptor }) =>
      document(mediaTypes.ociManifest, {
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: descriptor,
        layers: [layer.descriptor],
      }),
    );
    const index = document(mediaTypes.ociIndex, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: manifests.map(({ descriptor }) => descriptor),
    });
    const blobs = [layer, ...configs, ...manifests, index];
    await using registry = await ScriptedRegistry.start();
    await using client = quickClient();
    const source: Fetcher = {
      async fetch(target, { offset = 0 } = {}) {
        const bytes = blobs.find(({ descriptor }) => descriptor.digest === target.digest)?.bytes ?? Buffer.of();
        return openerOf(bytes)(offset);
      },
    };
    const pusher = await client.pusher(`${registry.host}/team/app:1@${index.descriptor.digest}`);
    await transfer(source, pusher, [index.descriptor]);
    const uploads = registry.requests.filter(({ method, url }) => method === 'PUT' && url.includes('/blobs/'));
    assert.equal(uploads.filter(({ url }) => url.includes(encodeURIComponent(layer.descriptor.digest))).length, 1);
    assert.equal(registry.repository('team/app').tags.get('1'), index.descriptor.digest);
  });
});

describe('the push handler', () => {
  it('sends what it visits, children first, and tells what became of it', async () => {
    await using registry = await ScriptedRegistry.start();
    await using other = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    await using client = quickClient();
    const store = new MemoryStore();
    const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
    const order: Descriptor[] = [];
    const note = async (target: Descriptor): Promise<readonly Descriptor[]> => {
      order.unshift(target);
      return [];
    };
    await walk(handlers(fetchHandler(store, fetcher), note, childrenHandler(store)), [image.root]);
    const outcomes: string[] = [];
    const pusher = await client.pusher(`${other.host}/team/copy:1@${image.root.digest}`);
    const push = pushHandler(pusher, store, { onPushed: (_target, outcome) => outcomes.push(outcome) });
    for (const target of order) await push(target, { signal: new AbortController().signal });
    assert.equal(other.repository('team/copy').tags.get('1'), image.root.digest);
    assert.deepEqual(new Set(outcomes), new Set(['pushed']));
    for (const target of order) await push(target, { signal: new AbortController().signal });
    assert.ok(outcomes.slice(order.length).includes('exists'));
  });
});
