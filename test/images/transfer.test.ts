import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Fetcher, fetcherOf, type Pusher, pusherOf, refOf } from '../../src/content/copy.ts';
import { MemoryStore } from '../../src/content/memory/memory-store.ts';
import { because, DrayError, is } from '../../src/errors.ts';
import { skipDescriptor } from '../../src/images/handlers.ts';
import { childLabels } from '../../src/images/labels.ts';
import { type TransferEvent, transfer } from '../../src/images/transfer.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { document, type RandomBlob, randomBlob, randomImage } from '../../src/testing/random.ts';

async function storeWith(blobs: readonly RandomBlob[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const { descriptor, bytes } of blobs) {
    await using writer = await store.writer({ ref: descriptor.digest });
    await writer.write(bytes);
    await writer.commit({ digest: descriptor.digest }).catch((error) => assert.ok(is(error, 'already-exists')));
  }
  return store;
}

function recording(options: { complete?: (target: Descriptor) => boolean } = {}): Pusher & { pushed: Descriptor[] } {
  const pushed: Descriptor[] = [];
  return {
    pushed,
    async push(target, open) {
      for await (const _ of open(0));
      pushed.push(target);
      return 'pushed';
    },
    ...(options.complete === undefined
      ? {}
      : { complete: async (target: Descriptor) => options.complete?.(target) ?? false }),
  };
}

/** Images over a few shared layers, and indexes over those, and indexes over indexes. */
const images = fc
  .record({
    layers: fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 5 }),
    manifests: fc.array(fc.array(fc.nat(4), { maxLength: 6 }), { minLength: 1, maxLength: 5 }),
    nesting: fc.nat(3),
  })
  .map(({ layers, manifests, nesting }) => {
    const blobs = layers.map((size, n) => randomBlob(size, `layer ${n}`, mediaTypes.ociLayer));
    const config = document(mediaTypes.ociConfig, { os: 'linux', architecture: 'amd64' });
    const made = manifests.map((picks, n) =>
      document(mediaTypes.ociManifest, {
        schemaVersion: 2,
        config: config.descriptor,
        layers: picks.map((pick) => blobs[pick % blobs.length]?.descriptor),
        annotations: { n: String(n) },
      }),
    );
    let roots = made;
    const all = [...blobs, config, ...made];
    for (let level = 0; level <= nesting; level += 1) {
      const index = document(mediaTypes.ociIndex, { schemaVersion: 2, manifests: roots.map((one) => one.descriptor) });
      all.push(index);
      roots = [index, ...made.slice(0, level)];
    }
    return { blobs: all, roots: roots.map((one) => one.descriptor) };
  });

describe('transfer', () => {
  it('brings everything over, each object once and documents after all below them', async () => {
    await fc.assert(
      fc.asyncProperty(images, async ({ blobs, roots }) => {
        const source = await storeWith(blobs);
        const target = recording();
        await transfer(fetcherOf(source), target, roots);
        const order = target.pushed.map((one) => one.digest);
        assert.deepEqual([...order].sort(), [...new Set(order)].sort());
        for (const root of roots) assert.ok(order.includes(root.digest));
        for (const { descriptor, bytes } of blobs) {
          if (!order.includes(descriptor.digest) || !/manifest|index/.test(descriptor.mediaType)) continue;
          const text = Buffer.from(bytes).toString();
          for (const child of text.matchAll(/sha256:[a-f0-9]{64}/g)) {
            assert.ok(order.indexOf(child[0] as `${string}:${string}`) < order.indexOf(descriptor.digest));
            assert.ok(order.includes(child[0] as `${string}:${string}`));
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('into a store keeps the graph with labels, of all children and not only of those that travel', async () => {
    const image = randomImage({ seed: 'labels', platforms: ['linux/amd64', 'linux/arm64'] });
    const target = new MemoryStore();
    const select = (parent: Descriptor, children: readonly Descriptor[]): readonly Descriptor[] =>
      parent.mediaType === mediaTypes.ociIndex
        ? children.filter((child) => child.platform?.architecture === 'arm64')
        : children;
    const summary = await transfer(fetcherOf(await storeWith(image.blobs)), pusherOf(target), [image.root], {
      select,
      labels: (_, children) => childLabels(children),
    });
    assert.equal(summary.pushed, 5);
    const { labels } = await target.info(image.root.digest);
    assert.deepEqual(Object.keys(labels).sort(), [
      'containerd.io/gc.ref.content.m.0',
      'containerd.io/gc.ref.content.m.1',
    ]);
    const [manifest] = image.blobs.filter((blob) => blob.descriptor.mediaType === mediaTypes.ociManifest).slice(1);
    assert.equal(labels['containerd.io/gc.ref.content.m.1'], manifest?.descriptor.digest);
    assert.deepEqual(Object.keys((await target.info(manifest?.descriptor.digest ?? 'a:b')).labels).sort(), [
      'containerd.io/gc.ref.content.config',
      'containerd.io/gc.ref.content.l.0',
      'containerd.io/gc.ref.content.l.1',
    ]);
  });

  it('moves nothing twice, and labels what was there without', async () => {
    const image = randomImage({ seed: 'warm' });
    const source = await storeWith(image.blobs);
    const target = await storeWith(image.blobs);
    const summary = await transfer(fetcherOf(source), pusherOf(target), [image.root], {
      labels: (_, children) => childLabels(children),
    });
    assert.deepEqual({ pushed: summary.pushed, moved: summary.bytesMoved }, { pushed: 0, moved: 0 });
    assert.equal(Object.keys((await target.info(image.root.digest)).labels).length, 3);
  });

  it('looks no further below a document that is complete over there', async () => {
    const image = randomImage({ seed: 'complete', platforms: ['linux/amd64', 'linux/arm64'] });
    const [first] = image.blobs.filter((blob) => blob.descriptor.mediaType === mediaTypes.ociManifest);
    const target = recording({ complete: (one) => one.digest === first?.descriptor.digest });
    const summary = await transfer(fetcherOf(await storeWith(image.blobs)), target, [image.root]);
    assert.equal(summary.existed, 1);
    assert.equal(target.pushed.length, 5);
    const whole = recording({ complete: () => true });
    await transfer(fetcherOf(new MemoryStore()), whole, [image.root]);
    assert.deepEqual(whole.pushed, []);
  });

  it('leaves out what it is told to skip', async () => {
    const image = randomImage({ seed: 'skip' });
    const target = recording();
    const events: TransferEvent[] = [];
    await transfer(fetcherOf(await storeWith(image.blobs)), target, [image.root], {
      before: async (one) => {
        if (one.mediaType === mediaTypes.ociLayer) throw skipDescriptor;
        return [];
      },
      onEvent: (event) => events.push(event),
    });
    assert.deepEqual(
      target.pushed.map((one) => one.mediaType),
      [mediaTypes.ociConfig, mediaTypes.ociManifest],
    );
    assert.equal(events.filter((event) => event.state === 'skipped').length, 2);
  });

  it('goes on from the bytes of an earlier attempt and tells them from new ones', async () => {
    const image = randomImage({ seed: 'resume', layers: [200_000] });
    const [layer] = image.blobs;
    const target = new MemoryStore();
    {
      await using writer = await target.writer({ ref: `layer-${layer?.descriptor.digest}`, target: layer?.descriptor });
      await writer.write(layer?.bytes.subarray(0, 150_000) ?? Buffer.alloc(0));
    }
    const events: TransferEvent[] = [];
    const offsets: number[] = [];
    const source = fetcherOf(await storeWith(image.blobs));
    const watched: Fetcher = {
      fetch(wanted, options) {
        if (wanted.digest === layer?.descriptor.digest) offsets.push(options?.offset ?? 0);
        return source.fetch(wanted, options);
      },
    };
    const summary = await transfer(watched, pusherOf(target), [image.root], { onEvent: (event) => events.push(event) });
    assert.deepEqual(offsets, [150_000]);
    const last = events.filter((event) => event.target.digest === layer?.descriptor.digest).at(-1);
    assert.deepEqual(
      { state: last?.state, offset: last?.offset, resumed: last?.resumed },
      { state: 'pushed', offset: 200_000, resumed: 150_000 },
    );
    assert.ok(summary.bytesSaved >= 150_000);
  });

  it('says what it waits for somebody else to bring, and goes on with it', async () => {
    const target = new MemoryStore();
    const blob = randomBlob(5000, 'locked');
    const other = await target.writer({ ref: refOf(blob.descriptor), target: blob.descriptor });
    await other.write(blob.bytes.subarray(0, 2000));
    const states: string[] = [];
    const locked = Promise.withResolvers<void>();
    const moving = transfer(fetcherOf(await storeWith([blob])), pusherOf(target), [blob.descriptor], {
      onEvent: ({ state }) => {
        states.push(state);
        if (state === 'locked') locked.resolve();
      },
    });
    await locked.promise;
    await other[Symbol.asyncDispose]();
    assert.equal((await moving).bytesMoved, 3000);
    assert.deepEqual([...new Set(states)], ['waiting', 'locked', 'active', 'pushed']);
  });

  it('refuses a document that is not what its descriptor says, and writes nothing of it', async () => {
    const image = randomImage({ seed: 'lie' });
    const source: Fetcher = {
      async fetch() {
        return (async function* () {
          yield Buffer.from('{}');
        })();
      },
    };
    const target = recording();
    await assert.rejects(
      transfer(source, target, [image.root]),
      (error) => is(error, 'data-loss') && error.context.side === 'source',
    );
    await assert.rejects(
      transfer(source, target, [{ ...image.root, size: 2 }]),
      (error) => because(error, 'digest-mismatch') && error.context.descriptor?.digest === image.root.digest,
    );
    assert.deepEqual(target.pushed, []);
  });

  it('refuses a document over the limit before it is read', async () => {
    const image = randomImage({ seed: 'large' });
    const source: Fetcher = { fetch: () => assert.fail('read') };
    await fails(transfer(source, recording(), [{ ...image.root, size: 50 * 1024 * 1024 }]), 'bad-document');
  });

  it('fails as a whole with the first cause, its side and its descriptor, and names nothing', async () => {
    const image = randomImage({ seed: 'one fails', platforms: ['linux/amd64', 'linux/arm64'] });
    const source = fetcherOf(await storeWith(image.blobs));
    const [bad] = image.blobs;
    const failing: Pusher & { pushed: Descriptor[] } = {
      pushed: [],
      async push(target, open) {
        if (target.digest === bad?.descriptor.digest) throw new DrayError('permission-denied', 'no');
        for await (const _ of open(0));
        this.pushed.push(target);
        return 'pushed';
      },
    };
    await assert.rejects(transfer(source, failing, [image.root]), (error: unknown) => {
      assert.ok(is(error, 'permission-denied'));
      assert.equal(error.context.side, 'target');
      assert.equal(error.context.descriptor?.digest, bad?.descriptor.digest);
      return true;
    });
    assert.equal(
      failing.pushed.some((one) => one.mediaType === mediaTypes.ociIndex),
      false,
    );
    const incomplete = fetcherOf(await storeWith(image.blobs.slice(1)));
    await assert.rejects(
      transfer(incomplete, recording(), [image.root]),
      (error) => is(error, 'not-found') && error.context.side === 'source',
    );
  });

  it('uses bytes that a descriptor brings along', async () => {
    const empty = { ...document(mediaTypes.ociEmpty, {}).descriptor, data: Buffer.from('{}').toString('base64') };
    const manifest = document(mediaTypes.ociManifest, { schemaVersion: 2, config: empty, layers: [empty] });
    const target = recording();
    await transfer(fetcherOf(await storeWith([manifest])), target, [manifest.descriptor]);
    assert.equal(target.pushed.length, 2);
  });

  it('is given up with the reason of the signal', async () => {
    const image = randomImage({ seed: 'abort' });
    const caller = new AbortController();
    const reason = new Error('enough');
    const target: Pusher = {
      async push(_, open) {
        for await (const chunk of open(0)) if (chunk.byteLength > 0) caller.abort(reason);
        return 'pushed';
      },
    };
    const source = fetcherOf(await storeWith(image.blobs));
    await assert.rejects(transfer(source, target, [image.root], { signal: caller.signal, concurrency: 1 }), reason);
  });
});
