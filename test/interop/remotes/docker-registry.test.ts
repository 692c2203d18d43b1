import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { OpenBlob } from '../../../src/content/copy.ts';
import { is } from '../../../src/errors.ts';
import { noCredentials, passwordCredentials, staticCredentials } from '../../../src/remotes/docker/credentials.ts';
import type { RegistryEvent } from '../../../src/remotes/docker/events.ts';
import { RegistryClient, type RegistryClientOptions } from '../../../src/remotes/docker/registry-client.ts';
import { fails } from '../../../src/testing/content-store/expectations.ts';
import { randomBlob, randomImage } from '../../../src/testing/random.ts';
import { type DockerRegistry, dockerRegistry } from '../../support/docker-registry.ts';
import { succeed } from '../../support/processes.ts';
import { bytesOf, openerOf, pushAll, requestsOf } from '../../support/registry-client.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary.ts';
import { unlessInstalled } from '../../support/tools.ts';

describe('with docker-registry', { skip: unlessInstalled('docker-registry', 'skopeo') }, () => {
  let directory: TemporaryDirectory;
  let registry: DockerRegistry;

  before(async () => {
    directory = await temporaryDirectory();
    registry = await dockerRegistry(directory);
  });

  after(async () => {
    await registry[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  function client(options: RegistryClientOptions = {}): RegistryClient {
    return new RegistryClient({ credentials: noCredentials, ...options });
  }

  it('pushes an index of two platforms that skopeo reads back, byte for byte', async () => {
    const image = randomImage({ seed: 'index', layers: [1000, 200_000], platforms: ['linux/amd64', 'linux/arm64/v8'] });
    await using own = client();
    const name = `${registry.host}/team/index`;
    await pushAll(await own.pusher(`${name}:1@${image.root.digest}`), image);
    const root = image.blobs.at(-1)?.bytes ?? Buffer.of();
    const raw = await succeed('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}:1`]);
    assert.equal(raw, Buffer.from(root).toString());
    await succeed('skopeo', [
      'copy',
      '--all',
      '--src-tls-verify=false',
      `docker://${name}:1`,
      `dir:${directory.join('index')}`,
    ]);
    assert.deepEqual((await own.resolve(`${name}:1`)).target, image.root);
  });

  it('reads what skopeo pushed, in one request a tag and one a blob', async () => {
    const image = randomImage({ seed: 'skopeo', layers: [70_000, 5_000_000], family: 'docker' });
    const source = `${registry.host}/team/source`;
    const target = `${registry.host}/team/target`;
    const events: RegistryEvent[] = [];
    await using first = client();
    await pushAll(await first.pusher(`${source}:1@${image.root.digest}`), image);
    await succeed('skopeo', [
      'copy',
      '--preserve-digests',
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      `docker://${source}:1`,
      `docker://${target}:1`,
    ]);
    await using own = client({ onEvent: (event) => events.push(event) });
    const resolved = await own.resolve(`${target}:1`);
    assert.deepEqual(resolved, { name: `${target}:1`, target: image.root });
    const fetcher = await own.fetcher(resolved.name);
    for (const { descriptor, bytes } of image.blobs) {
      assert.deepEqual(await bytesOf(await fetcher.fetch(descriptor)), Buffer.from(bytes));
    }
    assert.deepEqual(requestsOf(events), ['HEAD 200', 'GET 200', 'GET 200', 'GET 200', 'GET 200']);
  });

  it('goes on at an offset by a range', async () => {
    const { descriptor, bytes } = randomBlob(3_000_000, 'range');
    const events: RegistryEvent[] = [];
    await using own = client({ onEvent: (event) => events.push(event) });
    const name = `${registry.host}/team/range:1`;
    await (await own.pusher(name)).push(descriptor, openerOf(bytes));
    const fetcher = await own.fetcher(name);
    for (const offset of [1, 1_000_000, 2_999_999]) {
      assert.deepEqual(await bytesOf(await fetcher.fetch(descriptor, { offset })), Buffer.from(bytes.subarray(offset)));
    }
    assert.deepEqual(await bytesOf(await fetcher.fetch(descriptor, { offset: 3_000_000 })), Buffer.of());
    assert.deepEqual(requestsOf(events).slice(-3), ['GET 206', 'GET 206', 'GET 206']);
  });

  it('asks once about an image that is wholly there, and gives it another tag without its blobs', async () => {
    const image = randomImage({ seed: 'again', layers: [100_000] });
    const name = `${registry.host}/team/again`;
    const events: RegistryEvent[] = [];
    await using own = client({ onEvent: (event) => events.push(event) });
    assert.deepEqual(await pushAll(await own.pusher(`${name}:1@${image.root.digest}`), image), [
      'pushed',
      'pushed',
      'pushed',
    ]);
    events.length = 0;
    const pusher = await own.pusher(`${name}:1@${image.root.digest}`);
    assert.equal(await pusher.complete?.(image.root), true);
    assert.deepEqual(requestsOf(events), ['HEAD 200']);
    events.length = 0;
    const other = await own.pusher(`${name}:2@${image.root.digest}`, { tags: ['3'] });
    assert.equal(await other.complete?.(image.root), true);
    assert.ok(
      requestsOf(events).every((request) => /^(GET 200|PUT 201)$/.test(request)),
      requestsOf(events).join(),
    );
    assert.deepEqual((await Array.fromAsync(own.tags(name))).sort(), ['1', '2', '3']);
  });

  it('gives a manifest in hand a tag in one request', async () => {
    const image = randomImage({ seed: 'retag', layers: [10] });
    const name = `${registry.host}/team/retag`;
    const events: RegistryEvent[] = [];
    await using own = client({ onEvent: (event) => events.push(event) });
    await pushAll(await own.pusher(`${name}:1@${image.root.digest}`), image);
    const manifest = await own.manifest(`${name}:1`);
    events.length = 0;
    await own.tag(manifest, ['2']);
    assert.deepEqual(requestsOf(events), ['PUT 201']);
    assert.deepEqual((await own.resolve(`${name}:2`)).target, image.root);
  });

  it('mounts a blob from another repository, and sends it where that one does not have it', async () => {
    const { descriptor, bytes } = randomBlob(300_000, 'mount');
    await using own = client();
    await (await own.pusher(`${registry.host}/team/holder:1`)).push(descriptor, openerOf(bytes));
    const mountFrom = async (): Promise<string[]> => ['Not a path', 'team/holder'];
    const pusher = await own.pusher(`${registry.host}/team/mounted:1`, { mountFrom });
    const never: OpenBlob = () => {
      throw new Error('not needed');
    };
    assert.equal(await pusher.push(descriptor, never), 'mounted');
    const sender = await own.pusher(`${registry.host}/team/sent:1`, { mountFrom: async () => ['team/nothing'] });
    assert.equal(await sender.push(descriptor, openerOf(bytes)), 'pushed');
  });

  it('sends a small new blob in two requests, and then knows that one is not enough here', async () => {
    const events: RegistryEvent[] = [];
    await using own = client({ onEvent: (event) => events.push(event) });
    const pusher = await own.pusher(`${registry.host}/team/small:1`);
    for (const seed of ['small 1', 'small 2']) {
      const { descriptor, bytes } = randomBlob(1000, seed);
      events.length = 0;
      await pusher.push(descriptor, openerOf(bytes));
      assert.deepEqual(requestsOf(events), ['POST 202', 'PUT 201']);
    }
  });

  it('pushes blobs of no bytes, and of sha512', async () => {
    await using own = client();
    const name = `${registry.host}/team/odd:1`;
    const pusher = await own.pusher(name);
    const fetcher = await own.fetcher(name);
    const empty = randomBlob(0, 'empty');
    assert.equal(await pusher.push(empty.descriptor, openerOf(empty.bytes)), 'pushed');
    assert.deepEqual(await bytesOf(await fetcher.fetch(empty.descriptor)), Buffer.of());
  });

  it('says which bytes a registry did not want', async () => {
    const { descriptor } = randomBlob(100_000, 'right');
    const wrong = randomBlob(100_000, 'wrong');
    await using own = client();
    const pusher = await own.pusher(`${registry.host}/team/wrong:1`);
    await fails(pusher.push(descriptor, openerOf(wrong.bytes)), 'failed-precondition', 'digest-mismatch');
    await fails(pusher.push(descriptor, openerOf(wrong.bytes.subarray(1))), 'size-mismatch');
  });

  it('says what is not there, and what registry and request were asked', async () => {
    await using own = client();
    await assert.rejects(
      own.resolve(`${registry.host}/team/nothing:1`),
      (error) =>
        is(error, 'not-found') &&
        error.context.registry === registry.host &&
        error.context.status === 404 &&
        error.context.codes?.[0] === 'MANIFEST_UNKNOWN',
    );
    const fetcher = await own.fetcher(`${registry.host}/team/nothing:1`);
    await fails(fetcher.fetch(randomBlob(10, 'nothing').descriptor), 'not-found');
  });

  it('ends with the signal of whoever asked', async () => {
    await using own = client();
    const reason = new Error('enough');
    await assert.rejects(own.resolve(`${registry.host}/team/again:1`, { signal: AbortSignal.abort(reason) }), reason);
  });

  it('deletes a manifest', async () => {
    const image = randomImage({ seed: 'delete', layers: [10] });
    const name = `${registry.host}/team/delete`;
    await using own = client();
    await pushAll(await own.pusher(`${name}:1@${image.root.digest}`), image);
    await own.delete(`${name}@${image.root.digest}`);
    await fails(own.resolve(`${name}:1`), 'not-found');
  });
});

describe('with docker-registry behind a password', { skip: unlessInstalled('docker-registry') }, () => {
  it('shows the password when it is asked for it, and from then on without being asked', async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('htpasswd');
    await writeFile(file, 'ci-bot:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n');
    await using registry = await dockerRegistry(directory, {
      config: `auth:\n  htpasswd:\n    realm: test\n    path: ${file}\n`,
    });
    const credentials = staticCredentials({ [registry.host]: passwordCredentials('ci-bot', 'secret', 'config.json') });
    const events: RegistryEvent[] = [];
    await using own = new RegistryClient({ credentials, onEvent: (event) => events.push(event) });
    const image = randomImage({ seed: 'password', layers: [10] });
    const name = `${registry.host}/team/private`;
    await pushAll(await own.pusher(`${name}:1@${image.root.digest}`), image);
    await own.resolve(`${name}:1`);
    assert.equal(requestsOf(events).filter((request) => request.endsWith('401')).length, 1);
    assert.equal(await own.verifyLogin(registry.host, passwordCredentials('ci-bot', 'secret')), true);
    await assert.rejects(
      own.verifyLogin(registry.host, passwordCredentials('ci-bot', 'wrong')),
      (error) => is(error, 'unauthenticated') && error.context.credentials === 'caller (user "ci-bot")',
    );
    await using anonymous = new RegistryClient({ credentials: noCredentials });
    await assert.rejects(
      anonymous.resolve(`${name}:1`),
      (error) => is(error, 'unauthenticated') && error.context.credentials === 'none',
    );
  });
});
