import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { fetcherOf, ingest } from '../../src/content/copy.ts';
import { readDocument } from '../../src/content/documents.ts';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { is } from '../../src/errors.ts';
import type { TransferEvent } from '../../src/images/transfer.ts';
import { convertSchema1, emptyLayer, Schema1Converter, signSchema1 } from '../../src/schema1/index.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { blobsIn, fails, ingestsIn } from '../oci/images.ts';
import { inChunks } from '../oci/tar-builder.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { fetcherFor, layerOf, manifestDescriptor, payloadOf, servingAs } from './documents.ts';
import { keyFor, signedByHand } from './sign-by-hand.ts';

const [a, b] = ['a', 'b'].map((name) => gzipSync(layerOf(name))) as [Buffer, Buffer];
const key = keyFor('ES256');
const signed = (...args: Parameters<typeof payloadOf>): Uint8Array => signSchema1(payloadOf(...args), key);

describe('bringing a schema 1 image into a store', () => {
  it('stores layers, config and manifest, and not what it was converted from', async () => {
    const manifest = signed([{ layer: a }, { layer: emptyLayer, history: { throwaway: true } }, { layer: b }]);
    const services = memoryServices();
    const fetcher = fetcherFor([a, b], manifest);
    const made = await convertSchema1(services.content, fetcher, manifestDescriptor(manifest));
    assert.equal(made.source.digest, manifestDescriptor(manifest).digest);
    const stored = [made.manifest.descriptor.digest, made.config.descriptor.digest, digestOf(a), digestOf(b)];
    assert.deepEqual((await blobsIn(services)).sort(), stored.sort());
    assert.deepEqual(await ingestsIn(services), []);
    for (const { descriptor, bytes } of [made.manifest, made.config])
      assert.deepEqual(Buffer.from(await readDocument(services.content, descriptor)), Buffer.from(bytes));
  });

  it('labels the manifest with what it keeps, and layers with what is in them', async () => {
    const blank = gzipSync(Buffer.alloc(1024));
    const manifest = signed([{ layer: a }, { layer: blank }, { layer: b }]);
    const { content } = memoryServices();
    const made = await convertSchema1(content, fetcherFor([a, b, blank], manifest), manifestDescriptor(manifest));
    const labels = async (digest: Parameters<typeof content.info>[0]) => (await content.info(digest)).labels;
    assert.deepEqual(await labels(made.manifest.descriptor.digest), {
      'containerd.io/gc.ref.content.config': made.config.descriptor.digest,
      'containerd.io/gc.ref.content.l.0': digestOf(a),
      'containerd.io/gc.ref.content.l.1': digestOf(b),
    });
    const ofLayer = (layer: Uint8Array, empty: boolean) => ({
      'containerd.io/uncompressed': digestOf(layer),
      'containerd.io/docker.schema1.empty-layer': String(empty),
    });
    assert.deepEqual(await labels(digestOf(a)), ofLayer(layerOf('a'), false));
    assert.deepEqual(await labels(digestOf(blank)), ofLayer(Buffer.alloc(1024), true));
  });

  it('fetches each layer once, and none that is said to be empty', async () => {
    const manifest = signed([
      { layer: a },
      { layer: emptyLayer, history: { throwaway: true } },
      { layer: b },
      { layer: a },
      { layer: emptyLayer, history: { throwaway: true } },
    ]);
    const fetcher = fetcherFor([a, b], manifest);
    const target = manifestDescriptor(manifest);
    const { layers } = await convertSchema1(memoryServices().content, fetcher, target);
    assert.deepEqual(fetcher.asked.toSorted(), [target.digest, digestOf(a), digestOf(b)].sort());
    assert.deepEqual(
      layers.map(({ digest, size }) => [digest, size]),
      [a, b, a].map((layer) => [digestOf(layer), layer.byteLength]),
    );
  });

  it('fetches layers side by side', async () => {
    const manifest = signed([{ layer: a }, { layer: b }]);
    const fetcher = fetcherFor([a, b], manifest);
    const both = Promise.withResolvers<void>();
    let waiting = 0;
    const meeting = {
      fetch: async (...[target, options]: Parameters<typeof fetcher.fetch>) => {
        if (target.digest !== manifestDescriptor(manifest).digest) {
          waiting += 1;
          if (waiting === 2) both.resolve();
          await both.promise;
        }
        return await fetcher.fetch(target, options);
      },
    };
    const made = await convertSchema1(memoryServices().content, meeting, manifestDescriptor(manifest));
    assert.equal(made.layers.length, 2);
  });

  it('takes layers that are there without fetching them, and believes what an earlier conversion noted', async () => {
    const layers = [a, zstdCompressSync(layerOf('z')), layerOf('plain')] as const;
    const manifest = signed(layers.map((layer) => ({ layer })));
    const { content } = memoryServices();
    for (const layer of layers) await ingest(content, { ref: digestOf(layer) }, inChunks(layer));
    const fetcher = fetcherFor([], manifest);
    const first = await convertSchema1(content, fetcher, manifestDescriptor(manifest));
    assert.deepEqual((await convertSchema1(content, fetcher, manifestDescriptor(manifest))).manifest, first.manifest);
    assert.deepEqual(new Set(fetcher.asked), new Set([manifestDescriptor(manifest).digest]));
    const labels = { 'containerd.io/uncompressed': digestOf(b) };
    await content.update({ digest: digestOf(a), labels }, 'labels.containerd.io/uncompressed');
    // A layer that is not packed is its own diff ID, whatever is noted.
    const lie = { 'containerd.io/uncompressed': digestOf(b) };
    await content.update({ digest: digestOf(layers[2]), labels: lie }, 'labels.containerd.io/uncompressed');
    const noted = await convertSchema1(content, fetcher, manifestDescriptor(manifest));
    const config = JSON.parse(Buffer.from(noted.config.bytes).toString());
    assert.deepEqual(config.rootfs.diff_ids, [digestOf(b), digestOf(layerOf('z')), digestOf(layerOf('plain'))]);
  });

  it('finds out anew what labels do not say right', async () => {
    const manifest = signed([{ layer: a }]);
    const { content } = memoryServices();
    const target = manifestDescriptor(manifest);
    const right = await convertSchema1(content, fetcherFor([a], manifest), target);
    for (const value of ['nothing', '']) {
      const labels = { 'containerd.io/uncompressed': value };
      await content.update({ digest: digestOf(a), labels }, 'labels.containerd.io/uncompressed');
      const made = await convertSchema1(content, fetcherFor([a], manifest), target);
      assert.deepEqual(made.manifest, right.manifest);
    }
  });

  it('goes on with a layer where an earlier attempt stopped', async () => {
    await using directory = await temporaryDirectory();
    await using content = new LocalStore(directory.path);
    const layer = gzipSync(layerOf('large', randomBytes(700_000, 'resume')));
    const manifest = signed([{ layer }]);
    const target = manifestDescriptor(manifest);
    let sent = 0;
    const breaking = {
      async fetch({ digest }: { digest: string }, { offset = 0 } = {}) {
        const bytes = digest === target.digest ? Buffer.from(manifest) : layer;
        return (async function* () {
          for (let at = offset; at < bytes.byteLength; at += 100_000) {
            if (bytes === layer && sent === 3) throw new Error('the wire broke');
            if (bytes === layer) sent += 1;
            yield bytes.subarray(at, at + 100_000);
          }
        })();
      },
    };
    await assert.rejects(convertSchema1(content, breaking, target), /the wire broke/);
    const offsets: number[] = [];
    const fetcher = fetcherFor([layer], manifest);
    const watched = {
      fetch: async (...[wanted, options]: Parameters<typeof fetcher.fetch>) => {
        if (wanted.digest !== target.digest) offsets.push(options?.offset ?? 0);
        return await fetcher.fetch(wanted, options);
      },
    };
    const events: TransferEvent[] = [];
    const made = await convertSchema1(content, watched, target, { onEvent: (event) => events.push(event) });
    assert.deepEqual(offsets, [300_000]);
    assert.equal(events.at(-1)?.resumed, 300_000);
    const config = JSON.parse(Buffer.from(made.config.bytes).toString());
    assert.deepEqual(config.rootfs.diff_ids, [digestOf(layerOf('large', randomBytes(700_000, 'resume')))]);
  });

  it('tells of each layer from waiting to its end', async () => {
    const manifest = signed([{ layer: a }, { layer: b }]);
    const events: TransferEvent[] = [];
    const options = { onEvent: (event: TransferEvent) => void events.push(event) };
    await convertSchema1(memoryServices().content, fetcherFor([a, b], manifest), manifestDescriptor(manifest), options);
    for (const layer of [a, b]) {
      const own = events.filter(({ target }) => target.digest === digestOf(layer));
      assert.deepEqual(
        [own[0]?.state, own.at(-1)?.state, own.at(-1)?.target.size],
        ['waiting', 'pushed', layer.byteLength],
      );
    }
  });

  it('works from the store that it goes to, where the payload is a blob', async () => {
    const { content } = memoryServices();
    const payload = payloadOf([{ layer: a }, { layer: b }]);
    for (const bytes of [payload, a, b]) await ingest(content, { ref: digestOf(bytes) }, inChunks(bytes));
    for (const mediaType of [mediaTypes.dockerSchema1, mediaTypes.dockerSchema1Signed]) {
      const made = await convertSchema1(content, fetcherOf(content), manifestDescriptor(payload, mediaType));
      assert.deepEqual(
        made.layers.map(({ digest }) => digest),
        [digestOf(a), digestOf(b)],
      );
    }
  });

  it('makes nothing before everything was visited', async () => {
    const converter = new Schema1Converter(memoryServices().content, fetcherFor([]));
    await assert.rejects(converter.convert(), (error) => is(error, 'failed-precondition'));
  });
});

describe('a schema 1 image that is not in order', () => {
  const wrong = signedByHand(payloadOf([{ layer: a }]), { algorithm: 'ES256', key, encoding: 'der' });

  it('is refused for a wrong signature, unless only the digest is to count', async () => {
    const services = memoryServices();
    const target = manifestDescriptor(wrong);
    const fetcher = fetcherFor([a], wrong);
    await fails(convertSchema1(services.content, fetcher, target), 'data-loss', 'bad-document', /signature is wrong/);
    assert.deepEqual([await blobsIn(services), await ingestsIn(services)], [[], []]);
    assert.deepEqual(fetcher.asked, [target.digest], 'no layer was fetched');
    const made = await convertSchema1(services.content, fetcher, target, { signatures: 'ignore' });
    assert.equal(made.source.digest, target.digest);
  });

  it('is taken without signatures, and with stripped ones where only the digest is to count', async () => {
    const payload = payloadOf([{ layer: a }]);
    await convertSchema1(memoryServices().content, fetcherFor([a], payload), manifestDescriptor(payload));
    const stripped = Buffer.from(
      signedByHand(payload, { algorithm: 'ES256', key })
        .toString()
        .replace(/"header":\{.*?\}\},/, '')
        .replace(/"header":\{"jwk":\{[^}]*\},[^}]*\},/, ''),
    );
    assert.equal(stripped.includes('header'), false);
    const ignored = { signatures: 'ignore' } as const;
    const { content } = memoryServices();
    await convertSchema1(content, fetcherFor([a], stripped), manifestDescriptor(stripped), ignored);
    const checked = convertSchema1(content, fetcherFor([a], stripped), manifestDescriptor(stripped));
    await fails(checked, 'data-loss', 'bad-document', /header is malformed/);
  });

  it('is refused when its payload has another digest, whatever its signature says', async () => {
    const other = signed([{ layer: b }]);
    const services = memoryServices();
    const target = { ...manifestDescriptor(signed([{ layer: a }])), size: other.byteLength };
    const fetcher = servingAs(new Map([[target.digest, other]]));
    for (const signatures of ['check', 'ignore'] as const)
      await assert.rejects(
        convertSchema1(services.content, fetcher, target, { signatures }),
        (error) => is(error, 'data-loss') && error.reason === 'digest-mismatch' && error.context.side === 'source',
      );
    assert.deepEqual(await blobsIn(services), []);
  });

  it('is refused when a layer is not what it is called', async () => {
    const manifest = signed([{ layer: a }, { layer: b }]);
    const target = manifestDescriptor(manifest);
    const services = memoryServices();
    const fetcher = servingAs(
      new Map([
        [target.digest, manifest],
        [digestOf(a), a],
        [digestOf(b), a],
      ]),
    );
    await fails(convertSchema1(services.content, fetcher, target), 'failed-precondition', 'digest-mismatch');
    assert.equal((await blobsIn(services)).includes(digestOf(b)), false);
    assert.deepEqual(await ingestsIn(services), []);
  });

  it('is told as a failure of the source when that cannot give a layer', async () => {
    const manifest = signed([{ layer: a }]);
    await assert.rejects(
      convertSchema1(memoryServices().content, fetcherFor([], manifest), manifestDescriptor(manifest)),
      (error) => is(error, 'not-found') && error.context.side === 'source',
    );
  });

  it('is refused when a layer is damaged inside, cut off or packed in another way', async () => {
    const text = gzipSync(layerOf('text', 'text'.repeat(1000)));
    const damaged = Buffer.from(text);
    damaged.writeUInt32LE(1, damaged.byteLength - 8);
    for (const [layer, kind] of [
      [damaged, 'invalid-argument'],
      [text.subarray(0, text.byteLength - 9), 'data-loss'],
      [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2]), 'not-implemented'],
    ] as const) {
      const manifest = signed([{ layer }]);
      const services = memoryServices();
      await assert.rejects(
        convertSchema1(services.content, fetcherFor([layer], manifest), manifestDescriptor(manifest)),
        (error) => is(error, kind) && error.context.hint !== undefined,
      );
      assert.deepEqual((await blobsIn(services)).includes(manifestDescriptor(manifest).digest), false);
    }
  });

  it('is refused when a layer unpacks to more than the limit, and nothing of it stays', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 1));
    const manifest = signed([{ layer: bomb }]);
    const services = memoryServices();
    const options = { layerLimit: 1024 * 1024 };
    const converted = convertSchema1(
      services.content,
      fetcherFor([bomb], manifest),
      manifestDescriptor(manifest),
      options,
    );
    await fails(converted, 'resource-exhausted', 'bad-archive');
    assert.deepEqual(await ingestsIn(services), []);
  });

  it('is refused when a layer never ends, and the bytes are thrown away', async () => {
    const manifest = signed([{ layer: a }]);
    const target = manifestDescriptor(manifest);
    const endless = {
      async fetch({ digest }: { digest: string }) {
        return (async function* () {
          if (digest === target.digest) yield manifest;
          else for (;;) yield randomBytes(100_000, 'endless');
        })();
      },
    };
    const services = memoryServices();
    const converted = convertSchema1(services.content, endless, target, { layerLimit: 5_000_000 });
    await fails(converted, 'resource-exhausted', 'bad-archive', /more than 5000000 bytes/);
    assert.deepEqual([await blobsIn(services), await ingestsIn(services)], [[], []]);
  });

  it('is told before any layer is fetched when it cannot be converted', async () => {
    const histories = [{ created: 'never' }, { config: { Env: 7 } }, { os: 7 }];
    for (const history of histories) {
      const manifest = signed([{ layer: a }, { layer: b, history }]);
      const fetcher = fetcherFor([a, b], manifest);
      const services = memoryServices();
      await fails(
        convertSchema1(services.content, fetcher, manifestDescriptor(manifest)),
        'invalid-argument',
        'bad-document',
      );
      assert.deepEqual([fetcher.asked.length, await blobsIn(services)], [1, []]);
    }
  });

  it('leaves what has arrived when somebody gives up, and says their reason', async () => {
    const manifest = signed([{ layer: a }]);
    const target = manifestDescriptor(manifest);
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    const stopping = {
      async fetch({ digest }: { digest: string }) {
        return (async function* () {
          if (digest === target.digest) yield manifest;
          else {
            yield a.subarray(0, 10);
            controller.abort(reason);
            yield a.subarray(10);
          }
        })();
      },
    };
    const { content } = memoryServices();
    await assert.rejects(
      convertSchema1(content, stopping, target, { signal: controller.signal }),
      (error) => error === reason,
    );
  });
});
