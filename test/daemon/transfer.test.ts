import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Client } from '../../src/client/client.ts';
import { packAny } from '../../src/daemon/any.ts';
import {
  AuthType,
  DataSchema,
  ProgressSchema,
  type RegistryResolverSchema,
} from '../../src/daemon/gen/transfer_types_pb.ts';
import { is } from '../../src/errors.ts';
import { htpasswd } from '../../src/registry/auth/htpasswd.ts';
import { passwordCredentials, staticCredentials } from '../../src/remotes/docker/credentials.ts';
import type { Services } from '../../src/services/services.ts';
import { formatPlatform, hostPlatform } from '../../src/spec/platform.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { startTestRegistry, type TestRegistryOptions } from '../../src/testing/embedded-registry.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { type RandomImage, randomImage } from '../../src/testing/random.ts';
import { importImage } from '../registry/support.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { registryOptions } from './registry.ts';
import { parties, type ServedTransfers, servedTransfers } from './transfer-client.ts';

const own = formatPlatform(hostPlatform());
const [os = '', architecture = ''] = own.split('/');
const ownPlatform = { os, architecture };
const foreign = 'linux/s390x';

const single = randomImage({ seed: 'single', layers: [300_000, 10] });
const index = randomImage({ seed: 'index', platforms: [own, foreign] });

describe('a client that lets a served store tag', () => {
  it('gives further names as they are written, and moves those that there are', () =>
    withTransfers(async ({ served, client }) => {
      const { store, daemon } = served;
      const services = store.services('default');
      await importImage(services, 'docker.io/library/app:1', single);
      await importImage(services, 'other', index);
      const to = { name: 'other', extraReferences: [{ name: 'app' }], labels: { k: 'v' } };
      await client.transfer(parties.store({ name: 'docker.io/library/app:1' }), parties.store(to));
      for (const name of ['other', 'app']) {
        const { target, labels } = await daemon.images.get(name);
        assert.equal(target.digest, single.root.digest);
        assert.deepEqual({ ...labels }, { k: 'v' });
      }
    }));

  it('is told of an image that is not there, and of a name that is missing', () =>
    withTransfers(async ({ client }) => {
      await fails(client.transfer(parties.store({ name: 'absent' }), parties.store({ name: 'x' })), 'not-found');
      await fails(client.transfer(parties.store({ name: 'absent' }), parties.store({})), 'invalid-argument');
    }));
});

describe('a client that lets a served store import', () => {
  const prefix = (more: object = {}): { extraReferences: object[] } => ({
    extraReferences: [{ name: 'import-2026', isPrefix: true, ...more }],
  });

  it('sends an archive in pieces and finds the names in it', () =>
    withTransfers(async (one) => {
      await one.client.import(archive({ 'example.com/app:1': single, 'example.com/app:2': index }), {
        ...prefix({ allowOverwrite: true }),
        labels: { k: 'v' },
      });
      assert.deepEqual(await namesIn(one), {
        'example.com/app:1': single.root.digest,
        'example.com/app:2': index.root.digest,
      });
      assert.deepEqual({ ...(await one.served.daemon.images.get('example.com/app:1')).labels }, { k: 'v' });
      assert.deepEqual(await Array.fromAsync(one.served.daemon.leases.list()), []);
    }));

  it('keeps names outside a repository out, and names by digest where it is asked for', () =>
    withTransfers(async (one) => {
      const images = { 'example.com/app:1': single, 'example.org/app:1': index };
      await one.client.import(archive(images), { extraReferences: [{ name: 'example.com/app', isPrefix: true }] });
      assert.deepEqual(Object.keys(await namesIn(one)), ['example.com/app:1']);
      await one.client.import(archive({ 'example.org/app:1': index }), prefix({ addDigest: true }));
      await one.client.import(archive({ one: single }), { name: 'whole', ...prefix({ addDigest: true }) });
      const names = Object.keys(await namesIn(one));
      assert.ok(names.includes(`import-2026@${index.root.digest}`), names.join());
      assert.ok(names.includes('whole'), names.join());
    }));

  it('names the index alone when no repository is said', () =>
    withTransfers(async (one) => {
      await one.client.import(archive({ 'example.com/app:1': single }), { name: 'whole' });
      assert.deepEqual(Object.keys(await namesIn(one)), ['whole']);
    }));

  it('needs only the content of the platforms that it asks for', () =>
    withTransfers(async (one) => {
      const part = (): AsyncIterable<Uint8Array> => archive({ 'example.com/app:1': index }, [own]);
      const naming = prefix({ allowOverwrite: true });
      await fails(one.client.import(part(), naming), 'not-found');
      assert.deepEqual(await namesIn(one), {});
      await one.client.import(part(), { ...naming, platforms: [ownPlatform] });
      assert.deepEqual(await namesIn(one), { 'example.com/app:1': index.root.digest });
    }));

  it('gets no name for an archive that is cut off or damaged', () =>
    withTransfers(async (one) => {
      const bytes = Buffer.concat(await Array.fromAsync(archive({ 'example.com/app:1': single })));
      const cut = stream(bytes.subarray(0, bytes.byteLength / 2));
      await fails(one.client.import(cut, prefix()), 'data-loss', /ends within/);
      bytes.writeUInt8(bytes.readUInt8(bytes.byteLength / 2) ^ 1, bytes.byteLength / 2);
      await assert.rejects(one.client.import(stream(bytes), prefix()));
      assert.deepEqual(await namesIn(one), {});
      assert.deepEqual(await Array.fromAsync(one.served.daemon.leases.list()), []);
    }));

  it('ends it by going away', () =>
    withTransfers(async ({ served, client, ended }) => {
      const call = await client.stream('gone');
      const going = new AbortController();
      const into = parties.store({ name: 'whole' });
      const transfer = client.transfer(parties.archive({ stream: 'gone' }), into, { signal: going.signal });
      // A window says that the import has begun.
      await call.next();
      const reason = new Error('enough');
      const over = ended();
      going.abort(reason);
      await assert.rejects(transfer, reason);
      assert.ok(is((await over).error, 'canceled'));
      assert.deepEqual(await Array.fromAsync(served.daemon.leases.list()), []);
      assert.equal(await call.next(), undefined);
    }));

  it('is told when it sends more than it may, or something else', () =>
    withTransfers(async ({ client }) => {
      const into = parties.store({ name: 'whole' });
      for (const [message, kind] of [
        [packAny(DataSchema, { data: Buffer.alloc(1024 * 1024 + 1) }), 'out-of-range'],
        [packAny(ProgressSchema, { event: 'x' }), 'invalid-argument'],
      ] as const) {
        const call = await client.stream(kind);
        const transfer = fails(client.transfer(parties.archive({ stream: kind }), into), kind);
        await call.send(message);
        await transfer;
      }
    }));
});

describe('a client that lets a served store export', () => {
  it('gets the bytes that the store exports, to the last one', () =>
    withTransfers(async ({ served, client }) => {
      const services = served.store.services('default');
      await importImage(services, 'example.com/app:1', single);
      await importImage(services, 'example.com/app:2', index);
      await using local = Client.over(services);
      const names = ['example.com/app:1', 'example.com/app:2'];
      const all = Buffer.concat(await Array.fromAsync(local.export(names)));
      assert.ok(all.equals(await client.export(names, { allPlatforms: true })));
      const part = Buffer.concat(await Array.fromAsync(local.export(names.slice(1), { platforms: [own] })));
      assert.ok(part.equals(await client.export(names.slice(1))));
      const layout = Buffer.concat(await Array.fromAsync(local.export(names, { format: 'oci' })));
      assert.ok(layout.equals(await client.export(names, { allPlatforms: true, skipCompatibilityManifest: true })));
    }));

  it('gets nothing without opening a window, and ends it by going away', () =>
    withTransfers(async ({ served, client }) => {
      await importImage(served.store.services('default'), 'app', single);
      const call = await client.stream('slow');
      const transfer = client.transfer(parties.store({ name: 'app' }), parties.exported({ stream: 'slow' }));
      call.finish();
      await fails(transfer, 'canceled');
      assert.equal(await call.next(), undefined);
    }));

  it('is told of an image that is not there, and that images are not looked up by a part of their name', () =>
    withTransfers(async ({ client }) => {
      await fails(client.export(['absent']), 'not-found');
      await client.stream('prefix');
      const part = parties.store({ extraReferences: [{ name: 'a', isPrefix: true }] });
      await fails(client.transfer(part, parties.exported({ stream: 'prefix' })), 'not-implemented');
    }));
});

describe('a client that lets a served store pull and push', () => {
  it('moves an image both ways and is told how it goes', () =>
    withTransfers(async (one) => {
      await using registry = await startTestRegistry();
      const reference = `${new URL(registry.url).host}/team/app:1`;
      const { served, client } = one;
      await importImage(served.store.services('default'), 'app', index);
      const pushed = await client.progress();
      const there = parties.registry({ reference });
      await client.transfer(parties.store({ name: 'app' }), there, { progressStream: pushed.id });
      assert.ok((await pushed.told).some(({ event, name }) => event === 'complete' && name.startsWith('layer-')));

      const pulled = await client.progress();
      const to = { name: reference, platforms: [ownPlatform], labels: { k: 'v' } };
      await client.transfer(there, parties.store(to), { progressStream: pulled.id });
      const events = (await pulled.told).map(({ event, name }) => `${event} ${name}`);
      assert.ok(events.includes(`saved ${reference}`), events.join());
      const { target, labels } = await served.daemon.images.get(reference);
      assert.equal(target.digest, index.root.digest);
      assert.deepEqual({ ...labels }, { k: 'v' });
    }));

  it('brings the documents of other platforms when it asks for all metadata', () =>
    withTransfers(async ({ client, served }) => {
      await using registry = await registryWith(index);
      const objects = async (allMetadata: boolean): Promise<number> => {
        const name = `all metadata ${allMetadata}`;
        const services = served.store.services('default');
        await client.transfer(
          parties.registry({ reference: registry.reference }),
          parties.store({ name, platforms: [ownPlatform], allMetadata }),
        );
        const held = await Array.fromAsync(services.content.walk());
        await services.images.delete(name);
        await served.store.collect();
        return held.length;
      };
      // An index, and of each platform a manifest and a config; of one also two layers.
      assert.equal(await objects(false), 5);
      assert.equal(await objects(true), 7);
    }));

  it('asks for credentials over a stream', () =>
    withTransfers(async ({ client, served }) => {
      await using directory = await temporaryDirectory();
      const file = directory.join('users');
      await writeFile(file, `ci:${hash}\n`);
      await using registry = await registryWith(single, { authentication: await htpasswd(file) });
      const pull = async (answer: Parameters<typeof client.credentials>[0]): Promise<string[]> => {
        const { id, asked } = await client.credentials(answer);
        const from = parties.registry({ reference: registry.reference, resolver: { authStream: id } });
        await client.transfer(from, parties.store({ name: 'pulled' }));
        return asked;
      };
      const password = { authType: AuthType.CREDENTIALS, username: 'ci', secret: 'secret' };
      const [asked] = await pull(password);
      assert.equal(asked, `${registry.host} ${registry.reference}`);
      assert.equal((await served.daemon.images.get('pulled')).target.digest, single.root.digest);
      const header = `Basic ${Buffer.from('ci:secret').toString('base64')}`;
      await pull({ authType: AuthType.HEADER, secret: header });
      await fails(pull({ ...password, secret: 'wrong' }), 'unauthenticated');
      await fails(pull({ authType: AuthType.REFRESH, secret: '' }), 'unauthenticated');
    }));

  it('is told what is not done for it', () =>
    withTransfers(async ({ client }) => {
      const store = parties.store({ name: 'x' });
      const resolvers: MessageInitShape<typeof RegistryResolverSchema>[] = [{ headers: { a: 'b' } }, { httpDebug: 1 }];
      for (const resolver of resolvers) {
        const from = parties.registry({ reference: 'localhost:1/x', resolver });
        await fails(client.transfer(from, store), 'not-implemented');
      }
      await fails(client.transfer(parties.registry({ reference: 'localhost:1/x' }), store), 'unavailable');
      await fails(client.transfer(parties.registry({ reference: 'x' }), parties.registry({})), 'not-implemented');
      await fails(client.transfer(packAny(ProgressSchema, {}), store), 'not-implemented');
    }));
});

describe('a stream of a served store', () => {
  it('is found by its name in its namespace, once', () =>
    withTransfers(async ({ client }) => {
      const into = parties.store({ name: 'x' });
      await client.stream('there', 'other');
      await fails(client.transfer(parties.archive({ stream: 'there' }), into), 'not-found');
      const first = await client.stream('there');
      await fails(client.stream('there'), 'already-exists');
      first.finish();
      await assert.rejects(client.transfer(parties.archive({ stream: 'there' }), into));
      assert.equal(await first.next().then((message) => message?.typeUrl), 'containerd.types.transfer.WindowUpdate');
      assert.equal(await first.next(), undefined);
      await fails(client.transfer(parties.archive({ stream: 'there' }), into), 'not-found');
      await client.stream('there');
    }));
});

/** What htpasswd makes of `secret`. */
const hash = '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a';

async function withTransfers(run: (one: ServedTransfers) => Promise<void>): Promise<void> {
  await using one = await servedTransfers();
  await run(one);
}

async function registryWith(
  image: RandomImage,
  options: TestRegistryOptions = {},
): Promise<AsyncDisposable & { readonly host: string; readonly reference: string }> {
  await using undo = new AsyncDisposableStack();
  const registry = undo.use(await startTestRegistry(options));
  const services = memoryServices();
  await importImage(services, 'app', image);
  const credentials = staticCredentials({ [new URL(registry.url).host]: passwordCredentials('ci', 'secret') });
  await using client = Client.over(services, { registry: { ...registryOptions, credentials } });
  const { host } = new URL(registry.url);
  await client.push('app', { target: `${host}/team/app:1` });
  const parts = undo.move();
  return { host, reference: `${host}/team/app:1`, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

async function* archive(
  images: Readonly<Record<string, RandomImage>>,
  platforms?: readonly string[],
): AsyncGenerator<Uint8Array> {
  const services: Services = memoryServices();
  for (const [name, image] of Object.entries(images)) await importImage(services, name, image);
  yield* Client.over(services).export(Object.keys(images), { platforms });
}

async function* stream(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function namesIn({ served }: ServedTransfers): Promise<Record<string, string>> {
  const images = await Array.fromAsync(served.daemon.images.list());
  return Object.fromEntries(images.map(({ name, target }) => [name, target.digest]));
}
