import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe as group, it } from 'node:test';
import type { RegistryOptions, UpstreamOptions } from '../../src/registry/index.ts';
import { passwordCredentials } from '../../src/remotes/docker/credentials.ts';
import { RegistryClient } from '../../src/remotes/docker/registry-client.ts';
import { Timestamp } from '../../src/spec/timestamp.ts';
import { type TestRegistry as FaultyRegistry, startTestRegistry } from '../../src/testing/embedded-registry.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import {
  collectAll,
  isDocument,
  nothing,
  pushBlob,
  pushImage,
  type Send,
  send,
  serve,
  type TestRegistry,
} from './support.ts';

const image = randomImage({ seed: 'upstream', layers: [700_000, 1000], platforms: ['linux/amd64', 'linux/arm64'] });
const other = randomImage({ seed: 'another', layers: [10] });
const layer = image.blobs[0];
assert.ok(layer);
const layerPath = `/v2/app/blobs/${layer.descriptor.digest}`;

interface Pair extends AsyncDisposable {
  readonly upstream: FaultyRegistry;
  readonly mirror: TestRegistry;
}

type MirrorOptions = Partial<RegistryOptions> & { readonly root?: string };

type Times = Pick<UpstreamOptions, 'freshness' | 'patience'>;

/** A registry with an image, and a mirror of it. */
async function pair(options: MirrorOptions = {}, times: Times = {}): Promise<Pair> {
  await using undo = new AsyncDisposableStack();
  const upstream = undo.use(await startTestRegistry());
  await pushImage(to(upstream.url), 'app', image, '1');
  const mirror = undo.use(await mirrorOf(upstream, options, times));
  const parts = undo.move();
  return { upstream, mirror, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

async function mirrorOf(
  upstream: FaultyRegistry,
  options: MirrorOptions = {},
  times: Times = {},
): Promise<TestRegistry> {
  await using undo = new AsyncDisposableStack();
  const resolver = undo.use(new RegistryClient({ retry: { attempts: 1 } }));
  const mirror = undo.use(await serve({ ...options, upstream: { resolver, host: upstream.address, ...times } }));
  const parts = undo.move();
  return { ...mirror, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

function to(url: string): Send {
  return (method, path, given) => send(url, method, path, given);
}

/** Pulls everything of an image. */
async function pull(get: Send, of = image, tag = '1'): Promise<void> {
  const { status, headers } = await get('GET', `/v2/app/manifests/${tag}`);
  assert.equal(status, 200);
  assert.equal(headers['docker-content-digest'], of.root.digest);
  // From the root down: what is below is known by what is above.
  for (const blob of of.blobs.toSorted((a, b) => Number(isDocument(b)) - Number(isDocument(a)))) {
    const path = `/v2/app/${isDocument(blob) ? 'manifests' : 'blobs'}/${blob.descriptor.digest}`;
    const found = await get('GET', path);
    assert.equal(found.status, 200, path);
    assert.ok(found.body.equals(blob.bytes));
  }
}

function asked(upstream: FaultyRegistry, method: string, part: string): number {
  return upstream.requests.filter((request) => request.method === method && request.path.includes(part)).length;
}

group('a mirror', () => {
  it('brings what it does not have, once, and gives it on verified', async () => {
    await using it = await pair();
    await pull(it.mirror.send);
    await pull(it.mirror.send);
    for (const { descriptor } of image.blobs.filter((blob) => !isDocument(blob))) {
      assert.equal(asked(it.upstream, 'GET', descriptor.digest), 1);
    }
    const names = await Array.fromAsync(it.mirror.services.images.list(), ({ name }) => name);
    assert.deepEqual(names, [`${it.upstream.address}/app:1`]);
  });

  it('keeps what it brought through a collection, and lets it go with its name', async () => {
    await using it = await pair({ grace: 300 });
    await pull(it.mirror.send);
    await it.mirror.store.collect();
    it.upstream.plan(({ path }) => (path.includes('/blobs/') ? { status: 500 } : undefined));
    await pull(it.mirror.send);
    await it.mirror.services.images.delete(`${it.upstream.address}/app:1`);
    await collectAll(it.mirror);
  });

  it('asks what a tag means each time, or as often as it was told', async () => {
    await using fresh = await pair();
    await pull(fresh.mirror.send);
    await pushImage(to(fresh.upstream.url), 'app', other, '1');
    await pull(fresh.mirror.send, other);
    await using lazy = await pair({}, { freshness: 60_000 });
    await pull(lazy.mirror.send);
    const before = lazy.upstream.requests.length;
    await pushImage(to(lazy.upstream.url), 'app', other, '1');
    const pushed = lazy.upstream.requests.length;
    assert.ok(pushed > before);
    await pull(lazy.mirror.send);
    assert.equal(lazy.upstream.requests.length, pushed);
  });

  it('gives what is below a manifest that its tag has left while a client was on its way, and keeps that for a while', async () => {
    await using it = await pair();
    await it.mirror.send('GET', '/v2/app/manifests/1');
    for (const { descriptor } of image.blobs.filter(isDocument))
      await it.mirror.send('GET', `/v2/app/manifests/${descriptor.digest}`);
    await pushImage(to(it.upstream.url), 'app', other, '1');
    await pull(it.mirror.send, other);
    await it.mirror.store.collect();
    assert.equal((await it.mirror.send('GET', layerPath)).status, 200);
    const left = await it.mirror.services.images.get(`${it.upstream.address}/app@${image.root.digest}`);
    assert.ok(Timestamp.parse(left.labels['containerd.io/gc.expire'] ?? '').nanoseconds > Timestamp.now().nanoseconds);
  });

  it('serves what it has, with a warning, while the upstream is away', async () => {
    await using it = await pair();
    await pull(it.mirror.send);
    it.upstream.plan(() => ({ reset: true }));
    await pull(it.mirror.send);
    const { headers } = await it.mirror.send('GET', '/v2/app/manifests/1');
    assert.match(String(headers['warning']), /^299 - ".+ does not say: /);
    const unknown = await it.mirror.send('GET', '/v2/app/manifests/2');
    assert.equal(unknown.status, 503);
    assert.equal(unknown.code, 'UNAVAILABLE');
  });

  it('serves what it has, with a warning, while the upstream does not answer', { timeout: 60_000 }, async () => {
    await using it = await pair({}, { patience: 1 });
    await pull(it.mirror.send);
    it.upstream.plan(() => ({ delay: 3_600_000 }));
    const { status, headers } = await it.mirror.send('GET', '/v2/app/manifests/1');
    assert.equal(status, 200);
    assert.equal(headers['docker-content-digest'], image.root.digest);
    assert.match(String(headers['warning']), /does not say/);
  });

  it('asks once more for a manifest that came with other bytes', async () => {
    await using it = await pair();
    it.upstream.plan(({ method, path, repeated }) =>
      method === 'GET' && path.includes('/manifests/') && repeated === 0 ? { corruptAt: 10 } : undefined,
    );
    await pull(it.mirror.send);
  });

  it('has nothing that the upstream does not have', async () => {
    await using it = await pair();
    await pull(it.mirror.send);
    for (const path of [
      '/v2/app/manifests/2',
      `/v2/app/manifests/${nothing}`,
      `/v2/app/manifests/${layer.descriptor.digest}`,
      `/v2/app/blobs/${nothing}`,
      '/v2/none/manifests/1',
    ]) {
      assert.equal((await it.mirror.send('GET', path)).status, 404, path);
    }
  });

  it('says that it was refused when it was, also for what it had', async () => {
    await using it = await pair();
    await pull(it.mirror.send);
    it.upstream.plan(() => ({ status: 403, code: 'DENIED' }));
    const { status, code } = await it.mirror.send('GET', '/v2/app/manifests/1');
    assert.equal(status, 403);
    assert.equal(code, 'DENIED');
  });

  it('gives several who ask for a blob at once the bytes of one transfer', async () => {
    await using it = await pair();
    await it.mirror.send('GET', '/v2/app/manifests/1');
    await pull(it.mirror.send, { ...image, blobs: image.blobs.filter(isDocument) });
    it.upstream.plan(({ path }) =>
      path.includes(layer.descriptor.digest) ? { bytesPerSecond: 3_000_000 } : undefined,
    );
    const found = await Promise.all(Array.from({ length: 12 }, () => send(it.mirror.url, 'GET', layerPath)));
    for (const { status, body } of found) {
      assert.equal(status, 200);
      assert.ok(body.equals(layer.bytes));
    }
    assert.equal(asked(it.upstream, 'GET', layer.descriptor.digest), 1);
  });

  it('goes on bringing a blob when who asked for it has gone', async () => {
    await using it = await pair();
    await pull(it.mirror.send, { ...image, blobs: image.blobs.filter(isDocument) });
    it.upstream.plan(({ path }) =>
      path.includes(layer.descriptor.digest) ? { bytesPerSecond: 3_000_000 } : undefined,
    );
    const { hostname, port } = new URL(it.mirror.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET ${layerPath} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await once(socket, 'data');
    const later = it.mirror.send('GET', layerPath);
    socket.destroy();
    assert.ok((await later).body.equals(layer.bytes));
    assert.equal(asked(it.upstream, 'GET', layer.descriptor.digest), 1);
  });

  it('never gives out the end of wrong bytes, and does not keep them', async () => {
    await using it = await pair();
    await pull(it.mirror.send, { ...image, blobs: image.blobs.filter(isDocument) });
    it.upstream.plan(({ path }) => (path.includes(layer.descriptor.digest) ? { corruptAt: 10 } : undefined));
    await assert.rejects(it.mirror.send('GET', layerPath), /aborted|hang up|reset/);
    await assert.rejects(it.mirror.services.content.info(layer.descriptor.digest), { kind: 'not-found' });
    it.upstream.plan(undefined);
    assert.ok((await it.mirror.send('GET', layerPath)).body.equals(layer.bytes));
  });

  it('gives a part of a blob that it had not', async () => {
    await using it = await pair();
    await pull(it.mirror.send, { ...image, blobs: image.blobs.filter(isDocument) });
    const { status, body } = await it.mirror.send('GET', layerPath, { headers: { Range: 'bytes=10-19' } });
    assert.equal(status, 206);
    assert.ok(body.equals(layer.bytes.subarray(10, 20)));
  });

  it('tells the size of a blob without bringing it', async () => {
    await using it = await pair();
    await pull(it.mirror.send, { ...image, blobs: image.blobs.filter(isDocument) });
    const { status, headers } = await it.mirror.send('HEAD', layerPath);
    assert.equal(status, 200);
    assert.equal(headers['content-length'], '700000');
    assert.equal(asked(it.upstream, 'GET', layer.descriptor.digest), 0);
  });

  it('goes on after a restart from the bytes it had', async () => {
    await using directory = await temporaryDirectory();
    const root = directory.join('store');
    await using upstream = await startTestRegistry();
    await pushImage(to(upstream.url), 'app', image, '1');
    {
      await using mirror = await mirrorOf(upstream, { root });
      await pull(mirror.send, { ...image, blobs: image.blobs.filter(isDocument) });
      upstream.plan(({ path }) => (path.includes(layer.descriptor.digest) ? { bytesPerSecond: 500_000 } : undefined));
      const { hostname, port } = new URL(mirror.url);
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      socket.write(`GET ${layerPath} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      let size = 0;
      while (size < 200_000) size += ((await once(socket, 'data')) as [Buffer])[0].byteLength;
    }
    const ranges: unknown[] = [];
    upstream.plan(({ path, headers }) => {
      if (path.includes(layer.descriptor.digest)) ranges.push(headers.range);
      return undefined;
    });
    await using mirror = await mirrorOf(upstream, { root });
    assert.ok((await mirror.send('GET', layerPath)).body.equals(layer.bytes));
    assert.equal(ranges.length, 1);
    const from = Number(/^bytes=(\d+)-/.exec(String(ranges[0]))?.[1]);
    assert.ok(from >= 100_000, `it went on from ${ranges[0]}`);
  });

  it('sends nobody the credentials of its clients', async () => {
    const seen: string[] = [];
    await using it = await pair();
    it.upstream.plan(({ headers }) => {
      seen.push(JSON.stringify(headers));
      return undefined;
    });
    const secret = `Basic ${Buffer.from('me:hidden').toString('base64')}`;
    const withSecret: Send = (method, path) =>
      it.mirror.send(method, path, { headers: { Authorization: secret, Cookie: 'hidden' } });
    await pull(withSecret);
    assert.ok(seen.length > 0);
    assert.ok(!seen.join().includes('hidden') && !seen.join().toLowerCase().includes('authorization'));
  });

  it('hands its own credentials for the upstream to no token server that is none of its', async () => {
    for (const realm of ['http://169.254.169.254/token', 'http://0.0.0.0/token', 'http://bot:x@127.0.0.1/token']) {
      const access = { kind: 'bearer', users: { bot: 'hidden' }, realm } as const;
      await using upstream = await ScriptedRegistry.start({ access });
      const dialled = new Set<string>();
      await using resolver = new RegistryClient({
        credentials: { get: async () => passwordCredentials('bot', 'hidden') },
        certificateDirectories: [],
        proxy: ({ host }) => {
          dialled.add(host);
          return undefined;
        },
      });
      await using mirror = await serve({ upstream: { resolver, host: upstream.host } });
      const { status, body } = await mirror.send('GET', '/v2/app/manifests/1');
      assert.ok(status >= 400, realm);
      assert.ok(!body.includes('hidden'));
      assert.deepEqual([...dialled], [upstream.host]);
    }
  });

  it('takes no pushes for what it mirrors, and does for all else', async () => {
    await using it = await pair();
    await pull(it.mirror.send);
    for (const [method, path] of [
      ['POST', '/v2/app/blobs/uploads/'],
      ['PUT', '/v2/app/manifests/1'],
      ['DELETE', '/v2/app/manifests/1'],
      ['DELETE', layerPath],
    ] as const) {
      assert.equal((await it.mirror.send(method, path)).status, 405);
    }
    const blob = randomBlob(10, 'own');
    assert.equal((await pushBlob(it.mirror.send, 'localhost/own', blob)).status, 201);
  });

  it('dials nobody else, whatever a client names', async () => {
    await using it = await pair();
    const before = it.upstream.requests.length;
    for (const path of [
      '/v2/app/manifests/1?ns=127.0.0.1:1',
      '/v2/evil.example/app/manifests/1',
      '/v2/app/manifests/1?ns=evil.example',
    ]) {
      assert.equal((await it.mirror.send('GET', path)).status, 404);
    }
    assert.equal(it.upstream.requests.length, before);
  });
});
