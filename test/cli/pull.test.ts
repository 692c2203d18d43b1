import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { isLayer, mediaTypes } from '../../src/spec/media-types.ts';
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from '../../src/testing/embedded-registry.ts';
import { document, type RandomBlob, type RandomImage, randomBlob, randomImage } from '../../src/testing/random.ts';
import { dray, drayDone, drayStart } from '../support/command.ts';
import { listening } from '../support/loopback.ts';
import { mountSmall, resize, unlessMounting } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** A registry that has an image under a name. */
async function serving(
  image: RandomImage,
  options: TestRegistryOptions = {},
): Promise<{ registry: TestRegistry; name: string } & AsyncDisposable> {
  const registry = await startTestRegistry(options);
  const { content, images } = registry.services;
  for (const { descriptor, bytes } of image.blobs) await put(registry, descriptor.digest, bytes);
  await images.create({ name: 'localhost/app:1', target: image.root });
  for (const { descriptor } of image.blobs) await content.info(descriptor.digest);
  return { registry, name: `${registry.address}/app:1`, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() };
}

async function put(registry: TestRegistry, ref: string, bytes: Uint8Array): Promise<void> {
  await using writer = await registry.services.content.writer({ ref });
  await writer.write(bytes);
  await writer
    .commit({ labels: { 'dray.registry.repository': 'localhost/app' } })
    .catch((error) => assert.match(String(error), /already/));
}

/** Bytes of blobs that a registry has sent, by digest. */
function sentBy(registry: TestRegistry): Map<string, number> {
  const sent = new Map<string, number>();
  for (const { method, path, sent: bytes } of registry.requests) {
    const digest = /\/blobs\/(sha256:[a-f0-9]{64})/.exec(path)?.[1];
    if (method === 'GET' && digest !== undefined) sent.set(digest, (sent.get(digest) ?? 0) + bytes);
  }
  return sent;
}

const layersOf = (image: RandomImage): RandomBlob[] =>
  image.blobs.filter(({ descriptor }) => isLayer(descriptor.mediaType));

describe('dray pull', () => {
  it('prints the reference with the digest and nothing else, and takes what this machine needs', async () => {
    const image = randomImage({ seed: 'plain', platforms: ['linux/amd64', 'linux/arm64'] });
    await using fixture = await serving(image);
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const { stdout, stderr, code } = await dray(['pull', fixture.name, '--platform', 'linux/arm64'], { environment });
    assert.deepEqual([code, stdout], [0, `${fixture.registry.address}/app@${image.root.digest}\n`]);
    assert.match(stderr, /index sha256:/);
    assert.match(stderr, /pulled in .*: 3\.\d KiB fetched/);
    const listed = JSON.parse(await drayDone(['images', 'ls', '--json'], { environment }));
    assert.deepEqual([listed.length, listed[0].name, listed[0].target.digest], [1, fixture.name, image.root.digest]);
    assert.equal((await drayDone(['content', 'ls', '-q'], { environment })).split('\n').length, 5);
    assert.equal((await dray(['images', 'check', '--platform', 'linux/arm64'], { environment })).code, 0);
    assert.equal((await dray(['images', 'check', '--platform', 'linux/amd64'], { environment })).code, 5);
    assert.equal((await dray(['pull', fixture.name, '--platform', 'windows/amd64'], { environment })).code, 3);
  });

  it('brings what every verb takes under the same platforms: each of several, and no neighbour that could run as well', async () => {
    const image = randomImage({ seed: 'several', platforms: ['linux/386', 'linux/amd64', 'linux/arm64'] });
    await using fixture = await serving(image);
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.join('store') };
    const { name } = fixture;
    const code = async (...words: string[]) => (await dray(words, { environment })).code;
    // A processor of amd64 could run 386, which was not asked for and is not there.
    await drayDone(['pull', name, '--platform', 'linux/amd64'], { environment });
    assert.equal(await code('export', name, directory.join('one.tar'), '--platform', 'linux/amd64'), 0);
    assert.equal(await code('convert', name, 'one:1', '--docker', '--platform', 'linux/amd64'), 0);
    assert.equal(await code('images', 'check', name, '--platform', 'linux/amd64'), 0);
    const both = ['--platform', 'linux/amd64', '--platform', 'linux/arm64'];
    for (const several of [both, ['--all-platforms']]) assert.equal(await code('images', 'check', name, ...several), 5);
    assert.equal(await code('export', name, directory.join('both.tar'), ...both), 3);
    await drayDone(['pull', name, ...both], { environment });
    assert.equal(await code('images', 'check', name, ...both), 0);
    await drayDone(['export', name, directory.join('both.tar'), ...both], { environment });
    const elsewhere = { DRAY_ROOT: directory.join('elsewhere') };
    await drayDone(['import', directory.join('both.tar'), ...both], { environment: elsewhere });
    const checked = ['images', 'check', name, ...both];
    assert.equal((await dray(checked, { environment: elsewhere })).code, 0);
    for (const verb of ['digest', 'manifest', 'config']) assert.equal(await code(verb, name, ...both), 2, verb);
  });

  it('again fetches nothing but the answer to what the tag means', async () => {
    const image = randomImage({ seed: 'warm', platforms: ['linux/amd64', 'linux/arm64'] });
    await using fixture = await serving(image);
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    await drayDone(['pull', fixture.name, '--all-platforms'], { environment });
    const before = fixture.registry.requests.length;
    await drayDone(['pull', fixture.name, '--all-platforms'], { environment });
    const requests = fixture.registry.requests.slice(before).map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(requests, ['HEAD /v2/app/manifests/1']);
  });

  it('needs one request for each blob and two more', async () => {
    const image = randomImage({ seed: 'count', layers: [100, 200, 300, 400] });
    await using fixture = await serving(image);
    await using directory = await temporaryDirectory();
    await drayDone(['pull', fixture.name, '--all-platforms'], { environment: { DRAY_ROOT: directory.path } });
    assert.equal(fixture.registry.requests.length, 5 + 2);
  });

  it('killed at any moment, goes on with what is missing and fetches nothing twice', async () => {
    const image = randomImage({ seed: 'killed', layers: [3_000_000, 2_000_000, 10] });
    const whole = image.blobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    // Slow enough that a kill meets a transfer, and cut short where the kill is to be.
    await using fixture = await serving(image, {
      faults: ({ method, path }) =>
        method === 'GET' && path.includes('/blobs/') ? { bytesPerSecond: 2_000_000 } : undefined,
    });
    for (const moment of [0.02, 0.3, 0.6, 0.9]) {
      await using directory = await temporaryDirectory();
      const environment = { DRAY_ROOT: directory.path };
      const args = ['pull', fixture.name, '--all-platforms', '--progress', 'json'];
      await using pulling = drayStart(args, { environment });
      const lines = createInterface({ input: pulling.child.stderr ?? process.stdin });
      const arrived = new Map<string, number>();
      for await (const line of lines) {
        const event = JSON.parse(line);
        if (event.t === 'blob') arrived.set(event.digest, event.offset);
        if ([...arrived.values()].reduce((sum, one) => sum + one, 0) >= whole * moment) break;
      }
      await pulling.kill('SIGKILL');
      const onDisk = await held(directory.path);
      const before = fixture.registry.requests.length;
      await drayDone(['pull', fixture.name, '--all-platforms'], { environment });
      await drayDone(['content', 'verify'], { environment });
      const later = sentBy({ ...fixture.registry, requests: fixture.registry.requests.slice(before) } as TestRegistry);
      for (const { descriptor } of layersOf(image)) {
        const missing = descriptor.size - (onDisk.get(descriptor.digest) ?? 0);
        assert.equal(later.get(descriptor.digest) ?? 0, missing, `${descriptor.digest} after ${moment}`);
      }
    }
  });

  it('by two processes at once into one store brings each blob over the wire once, and both succeed', async () => {
    const image = randomImage({ seed: 'two', layers: [800_000, 600_000, 400_000, 1000] });
    await using fixture = await serving(image, {
      faults: ({ method, path }) =>
        method === 'GET' && path.includes('/blobs/') ? { bytesPerSecond: 3_000_000 } : undefined,
    });
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const results = await Promise.all(
      [1, 2].map(() => dray(['pull', fixture.name, '--all-platforms'], { environment })),
    );
    assert.deepEqual(
      results.map((result) => result.code),
      [0, 0],
      results.map((result) => result.stderr).join('\n'),
    );
    const sent = sentBy(fixture.registry);
    for (const { descriptor } of layersOf(image)) assert.equal(sent.get(descriptor.digest), descriptor.size);
    await drayDone(['content', 'verify'], { environment });
    assert.deepEqual(await readdir(join(directory.path, 'content', 'ingest')), []);
  });

  it('of several images reports each, and 8 when only some came', async () => {
    const image = randomImage({ seed: 'several' });
    await using fixture = await serving(image);
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const missing = `${fixture.registry.address}/app:absent`;
    const result = await dray(['pull', fixture.name, missing, '--all-platforms'], { environment });
    assert.equal(result.code, 8);
    assert.equal(result.stdout.split('\n').length, 2);
    assert.match(result.stderr, /pull .*absent failed/);
  });

  it('tells its progress as JSON lines, and those alone', async () => {
    const image = randomImage({ seed: 'json' });
    await using fixture = await serving(image);
    await using directory = await temporaryDirectory();
    const result = await dray(['pull', fixture.name, '--all-platforms', '--progress', 'json'], {
      environment: { DRAY_ROOT: directory.path },
    });
    const events = result.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(events.every((event) => event.v === 1 && event.op === 'pull'));
    assert.deepEqual([events[0].t, events.at(-1).t], ['resolved', 'done']);
    assert.equal(events.filter((event) => event.t === 'blob' && event.state === 'pushed').length, image.blobs.length);
  });
});

/** Bytes that a store has of each object, committed or on the way. */
async function held(root: string): Promise<Map<string, number>> {
  await using store = new LocalStore(join(root, 'content'));
  const bytes = new Map<string, number>();
  for await (const { digest, size } of store.walk()) bytes.set(digest, size);
  for await (const { ref, offset } of store.statuses()) bytes.set(/sha256:[a-f0-9]{64}/.exec(ref)?.[0] ?? '', offset);
  return bytes;
}

describe('dray pull, bad input', () => {
  const digest = digestOf('x');
  const usage: readonly (readonly string[])[] = [
    ['pull', 'Bad/Reference:Tag'],
    ['pull', 'a b'],
    ['pull', `app@sha256:abc`],
    ['pull', 'app@md5:d41d8cd98f00b204e9800998ecf8427e'],
    ['pull', 'app', '--platform', 'no such'],
    ['pull'],
    ['push', 'a', 'b', 'c'],
    ['pull', 'app', '--progress', 'tty'],
    ['pull', 'app', '--platform', 'linux/amd64', '--all-platforms'],
    ['content', 'get', 'sha256:short'],
    ['login', 'r.example'],
  ];
  for (const args of usage) {
    it(`${args.join(' ')} is refused before anything is opened`, async () => {
      await using directory = await temporaryDirectory();
      const root = directory.join('store');
      const result = await dray(args, { environment: { DRAY_ROOT: root } });
      assert.deepEqual([result.code, result.stdout], [2, ''], result.stderr);
      assert.match(result.stderr, /hint: /);
    });
  }

  /** A server that answers everything under `/v2/` as it is told. */
  async function answering(
    answer: (
      path: string,
    ) => { status?: number; headers?: Record<string, string>; body?: string | Uint8Array } | undefined,
  ) {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`);
      const { status = 200, headers = {}, body = '' } = answer(request.url ?? '') ?? { status: 404 };
      response.writeHead(status, headers);
      response.end(request.method === 'HEAD' ? undefined : body);
    });
    const { host: address, ...listener } = await listening(server);
    return { address, requests, ...listener };
  }

  const layer = randomBlob(5000, 'bad layer', mediaTypes.ociLayer);
  const config = document(mediaTypes.ociConfig, { os: 'linux', architecture: 'amd64' });
  const manifest = document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
  });
  const objects = new Map(
    [layer, config, manifest].map(({ descriptor, bytes }) => [
      descriptor.digest as string,
      { mediaType: descriptor.mediaType, bytes: Buffer.from(bytes) },
    ]),
  );

  function registry(
    change: (
      found: { mediaType: string; bytes: Buffer },
      path: string,
    ) => { status?: number; headers?: Record<string, string>; body?: Uint8Array } | undefined,
  ) {
    return (path: string) => {
      const key = path.endsWith('/manifests/1')
        ? manifest.descriptor.digest
        : (/sha256:[a-f0-9]{64}$/.exec(path)?.[0] ?? '');
      const found = objects.get(key);
      if (found === undefined) return undefined;
      const changed = change(found, path);
      const body = changed?.body ?? found.bytes;
      return {
        status: changed?.status ?? 200,
        headers: {
          'content-type': found.mediaType,
          'content-length': String(body.byteLength),
          'docker-content-digest': key,
          ...changed?.headers,
        },
        body,
      };
    };
  }

  const cases: readonly [string, Parameters<typeof registry>[0], number, RegExp][] = [
    [
      'a layer of other bytes',
      ({ bytes }, path) => (path.includes('/blobs/') ? { body: Buffer.alloc(bytes.byteLength, 1) } : undefined),
      6,
      /digest/,
    ],
    [
      'a short body',
      ({ bytes }, path) => (path.includes(layer.descriptor.digest) ? { body: bytes.subarray(0, 100) } : undefined),
      6,
      /100|bytes/,
    ],
    [
      'a long body',
      ({ bytes }, path) =>
        path.includes(layer.descriptor.digest) ? { body: Buffer.concat([bytes, bytes]) } : undefined,
      6,
      /bytes/,
    ],
    [
      'another manifest than the digest names',
      ({ bytes }, path) =>
        /manifests\/sha256/.test(path) ? { body: Buffer.from(bytes.toString().replace('2', '2 ')) } : undefined,
      6,
      /bytes|digest/,
    ],
    ['a registry as it should be', () => undefined, 0, /^/],
    ['a storm of 503', (_, path) => (path.includes('/blobs/') ? { status: 503 } : undefined), 7, /503/],
    [
      'a redirect without end',
      (_, path) => (path.includes('/blobs/') ? { status: 307, headers: { location: path } } : undefined),
      9,
      /redirect/,
    ],
    [
      'a denial',
      (_, path) =>
        path.includes('/manifests/1')
          ? { status: 403, body: Buffer.from('{"errors":[{"code":"DENIED","message":"not you"}]}') }
          : undefined,
      4,
      /403 DENIED/,
    ],
  ];
  for (const [title, change, code, problem] of cases) {
    it(`${title} ends with ${code}, names no image and shows no partial blob`, async () => {
      await using server = await answering(registry(change));
      await using directory = await temporaryDirectory();
      const environment = { DRAY_ROOT: directory.path };
      const result = await dray(['pull', `${server.address}/app:1`, '--all-platforms'], { environment });
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, problem);
      if (code === 0) return;
      assert.equal(result.stdout, '');
      assert.match(result.stderr, /^pull 127\.0\.0\.1:\d+\/app:1 failed: /m);
      assert.equal(await drayDone(['images', 'ls', '-q'], { environment }), '');
      for (const found of (await drayDone(['content', 'ls', '-q'], { environment })).split('\n'))
        assert.ok(found === '' || objects.has(found));
      assert.equal((await dray(['content', 'verify'], { environment })).code, 0);
    });
  }

  it('a document that could be read as something else is refused', async () => {
    const confused = document(mediaTypes.ociManifest, {
      ...JSON.parse(Buffer.from(manifest.bytes).toString()),
      manifests: [],
    });
    await using server = await answering((path) =>
      path.includes('/manifests/')
        ? {
            headers: {
              'content-type': mediaTypes.ociManifest,
              'docker-content-digest': confused.descriptor.digest,
              'content-length': String(confused.bytes.byteLength),
            },
            body: confused.bytes,
          }
        : undefined,
    );
    await using directory = await temporaryDirectory();
    const result = await dray(['pull', `${server.address}/app:1`], { environment: { DRAY_ROOT: directory.path } });
    assert.deepEqual([result.code, result.stdout], [6, '']);
    assert.match(result.stderr, /could be read as an index/);
  });

  it('an unknown media type at the root travels as what it is, and is no image', async () => {
    const strange = document('application/vnd.example.thing', { any: 'thing' });
    await using server = await answering((path) =>
      path.includes('/manifests/') || path.includes('/blobs/')
        ? {
            headers: {
              'content-type': strange.descriptor.mediaType,
              'docker-content-digest': strange.descriptor.digest,
              'content-length': String(strange.bytes.byteLength),
            },
            body: strange.bytes,
          }
        : undefined,
    );
    await using directory = await temporaryDirectory();
    const environment = { DRAY_ROOT: directory.path };
    const result = await dray(['pull', `${server.address}/app:1`], { environment });
    assert.equal(result.code, 0, result.stderr);
    assert.equal(
      await drayDone(['content', 'get', strange.descriptor.digest], { environment }),
      Buffer.from(strange.bytes).toString(),
    );
  });

  it('a registry that is not there ends with 7 and says so', async () => {
    await using server = await answering(() => undefined);
    const { address } = server;
    await server[Symbol.asyncDispose]();
    await using directory = await temporaryDirectory();
    const result = await dray(['pull', `${address}/app:1`], { environment: { DRAY_ROOT: directory.path } });
    assert.equal(result.code, 7, result.stderr);
    assert.match(result.stderr, /ECONNREFUSED|connect/);
    const offline = await dray(['pull', `${address}/app:1`, '--offline'], {
      environment: { DRAY_ROOT: directory.path },
    });
    assert.equal(offline.code, 9, offline.stderr);
    assert.equal(
      (
        await dray(['pull', `r.example/app@${digest}`, '--offline', '--json'], {
          environment: { DRAY_ROOT: directory.path },
        })
      ).code,
      9,
    );
  });

  it('a full disk ends with 10, loses nothing, and the next pull goes on', {
    skip: unlessMounting,
  }, async () => {
    const image = randomImage({ seed: 'full', layers: [6_000_000, 1000] });
    await using fixture = await serving(image);
    await using directory = await temporaryDirectory();
    const root = directory.join('small');
    await using _disk = await mountSmall(root, 4);
    const environment = { DRAY_ROOT: root };
    const full = await dray(['pull', fixture.name, '--all-platforms'], { environment });
    assert.deepEqual([full.code, full.stdout], [10, ''], full.stderr);
    assert.match(full.stderr, /ENOSPC|no space|full/);
    assert.match(full.stderr, /hint: free some space/);
    assert.equal(await drayDone(['images', 'ls', '-q'], { environment }), '');
    await resize(root, 64);
    await drayDone(['pull', fixture.name, '--all-platforms'], { environment });
    await drayDone(['content', 'verify'], { environment });
    const layer = layersOf(image)[0]?.descriptor.digest ?? '';
    assert.ok(
      fixture.registry.requests
        .filter(({ path, method }) => method === 'GET' && path.includes(layer))
        .some(({ status }) => status === 206),
    );
  });

  it('a store that cannot be written ends with 10', {
    skip: (process.getuid?.() ?? 0) === 0 && 'needs a user who may not write everywhere',
  }, async () => {
    await using directory = await temporaryDirectory();
    const root = directory.join('closed');
    await mkdir(root);
    await chmod(root, 0o500);
    assert.equal((await dray(['content', 'ingest', 'a'], { environment: { DRAY_ROOT: root }, input: 'a' })).code, 10);
    await chmod(root, 0o700);
    await writeFile(join(root, 'x'), '');
    await stat(root);
  });
});
