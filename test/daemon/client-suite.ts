import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import { DrayError } from '../../src/errors.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import type { RandomImage } from '../../src/testing/random.ts';
import { importImage } from '../registry/support.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { type FilledRegistry, filledRegistry, registryOptions } from './registry.ts';
import { tarImage, tarIndex } from './tar-image.ts';

/** What a client does, whatever it stands on: the same for a store on disk, a daemon, and a store served as a daemon. */
export function clientSuite(name: string, factory: () => Promise<ClientFixture>): void {
  const multi = tarIndex('multi');
  const single = tarImage({ seed: 'single' });
  const check = (title: string, body: (bench: Bench) => Promise<void>): void => {
    it(title, async () => {
      await using registry = await filledRegistry({ 'lab/multi:1': multi, 'lab/single:1': single });
      await using fixture = await factory();
      await body({ registry, client: fixture.client });
    });
  };
  describe(`client: ${name}`, () => {
    describe('pull', () => pullCases(check, multi, single));
    describe('push', () => pushCases(check, multi));
    describe('import and export', () => archiveCases(check, multi, single));
    describe('collect', () => collectCases(check, multi, single));
  });
}

/** A client over an empty store. */
export interface ClientFixture extends AsyncDisposable {
  readonly client: Client;
}

interface Bench {
  readonly registry: FilledRegistry;
  readonly client: Client;
}

type Check = (title: string, body: (bench: Bench) => Promise<void>) => void;

function pullCases(check: Check, multi: RandomImage, single: RandomImage): void {
  check('brings an image in under its name, with labels that keep what is below', async ({ registry, client }) => {
    const reference = `${registry.host}/lab/single:1`;
    const pulled = await client.pull(reference, { labels: { owner: 'me' } });
    assert.equal(pulled.reference, `${registry.host}/lab/single@${single.root.digest}`);
    const image = await client.services.images.get(reference);
    assert.deepEqual([image.target.digest, image.target.mediaType], [single.root.digest, single.root.mediaType]);
    assert.deepEqual({ ...image.labels }, { owner: 'me' });
    assert.deepEqual(await digestsIn(client), digestsOf(single));
    const { labels } = await client.services.content.info(single.root.digest);
    const kept = Object.keys(labels).filter((key) => key.startsWith('containerd.io/gc.ref.content'));
    assert.equal(kept.length, 3);
    const [host = ''] = registry.host.split(':');
    assert.equal(labels[`containerd.io/distribution.source.${host}`], 'lab/single');
    assert.deepEqual(await Array.fromAsync(client.services.leases.list()), []);
  });

  check('brings the index whole, and of its content what runs here, or all', async ({ registry, client }) => {
    const reference = `${registry.host}/lab/multi:1`;
    await client.pull(reference);
    const [ours = []] = [multi.blobs.slice(0, 4).map(({ descriptor }) => descriptor.digest)];
    assert.deepEqual(await digestsIn(client), [...ours, multi.root.digest].sort());
    const again = await client.pull(reference, { platforms: 'all' });
    assert.deepEqual(await digestsIn(client), digestsOf(multi));
    assert.equal(again.root.digest, multi.root.digest);
  });

  check('transfers nothing that is there', async ({ registry, client }) => {
    const reference = `${registry.host}/lab/single:1`;
    await client.pull(reference);
    const { summary } = await client.pull(reference);
    assert.equal(summary.bytesMoved, 0);
  });

  check('names nothing that is not there', async ({ registry, client }) => {
    await fails(client.pull(`${registry.host}/lab/none:1`), 'not-found');
    assert.deepEqual(await namesIn(client), []);
    assert.deepEqual(await digestsIn(client), []);
  });

  check('gives up with the reason of the signal, and names nothing', async ({ registry, client }) => {
    const reason = new Error('enough');
    const giving = new AbortController();
    const onProgress = (event: { type: string }): void => {
      if (event.type === 'resolved') giving.abort(reason);
    };
    const pull = client.pull(`${registry.host}/lab/multi:1`, { signal: giving.signal, onProgress });
    await assert.rejects(pull, (error) => error === reason);
    assert.deepEqual(await namesIn(client), []);
    await client.pull(`${registry.host}/lab/multi:1`, { platforms: 'all' });
    assert.deepEqual(await digestsIn(client), digestsOf(multi));
  });
}

function pushCases(check: Check, multi: RandomImage): void {
  check('sends what it has pulled, byte for byte', async ({ registry, client }) => {
    const [from, to] = [`${registry.host}/lab/multi:1`, `${registry.host}/other/multi:2`];
    await client.pull(from, { platforms: 'all' });
    const pushed = await client.push(from, { target: to });
    assert.equal(pushed.root.digest, multi.root.digest);
    await using other = Client.over(memoryServices(), { registry: registryOptions });
    await other.pull(to, { platforms: 'all' });
    assert.deepEqual(await digestsIn(other), digestsOf(multi));
  });

  check('knows what it does not have', async ({ registry, client }) => {
    await fails(client.push('absent:1', { target: `${registry.host}/absent:1` }), 'not-found');
  });
}

function archiveCases(check: Check, multi: RandomImage, single: RandomImage): void {
  check('exports the same bytes as any other store', async ({ registry, client }) => {
    const names = ['multi', 'single'].map((name) => `${registry.host}/lab/${name}:1`);
    await using other = Client.over(memoryServices(), { registry: registryOptions });
    for (const name of names) for (const one of [client, other]) await one.pull(name, { platforms: 'all' });
    const [ours, theirs] = await Promise.all([client, other].map((one) => bytesOf(one.export(names))));
    assert.equal(digestOf(ours ?? ''), digestOf(theirs ?? ''));
  });

  check('imports what was exported', async ({ client }) => {
    const services = memoryServices();
    await importImage(services, 'docker.io/lab/multi:1', multi);
    await importImage(services, 'docker.io/lab/single:1', single);
    await using other = Client.over(services);
    const names = ['docker.io/lab/multi:1', 'docker.io/lab/single:1'];
    await client.import(other.export(names));
    assert.deepEqual(await namesIn(client), names);
    for (const [name, { root }] of [[names[0], multi] as const, [names[1], single] as const])
      assert.equal((await client.services.images.get(name ?? '')).target.digest, root.digest);
    const held = await digestsIn(client);
    assert.deepEqual(
      [...digestsOf(multi), ...digestsOf(single)].filter((digest) => !held.includes(digest)),
      [],
    );
    assert.deepEqual(await Array.fromAsync(client.services.content.statuses()), []);
  });

  check('refuses an archive with wrong bytes, and names nothing', async ({ client }) => {
    const services = memoryServices();
    await importImage(services, 'docker.io/lab/single:1', single);
    await using other = Client.over(services);
    const archive = await bytesOf(other.export(['docker.io/lab/single:1']));
    const layer = single.blobs[0]?.bytes ?? Buffer.alloc(0);
    const at = archive.indexOf(layer) + 100;
    archive.writeUInt8((archive.readUInt8(at) + 1) % 256, at);
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield archive;
    };
    await assert.rejects(client.import(broken()), DrayError);
    assert.deepEqual(await namesIn(client), []);
  });

  check('copies into a layout and out of it', async ({ registry, client }) => {
    await using directory = await temporaryDirectory();
    const name = `${registry.host}/lab/multi:1`;
    await client.pull(name, { platforms: 'all' });
    await client.copy(`store:${name}`, `oci:${directory.join('layout')}:copied`);
    await client.services.images.delete(name);
    await collect(client);
    assert.deepEqual(await digestsIn(client), []);
    await client.copy(`oci:${directory.join('layout')}:copied`, 'store:back:1');
    assert.deepEqual(await digestsIn(client), digestsOf(multi));
  });
}

function collectCases(check: Check, multi: RandomImage, single: RandomImage): void {
  check('takes what no name needs, and no more', async ({ registry, client }) => {
    const names = ['multi', 'single'].map((name) => `${registry.host}/lab/${name}:1`);
    for (const name of names) await client.pull(name, { platforms: 'all' });
    const kept = await client.tag(names[1] ?? '', 'kept:1');
    await collect(client);
    assert.deepEqual(await digestsIn(client), [...digestsOf(multi), ...digestsOf(single)].sort());
    for (const name of names) await client.services.images.delete(name, { synchronous: true });
    assert.deepEqual(await digestsIn(client), digestsOf(single));
    assert.deepEqual(await namesIn(client), [kept]);
    await client.services.images.delete(kept, { synchronous: true });
    assert.deepEqual(await digestsIn(client), []);
  });

  check('leaves what a lease holds', async ({ registry, client }) => {
    const lease = await client.services.leases.create({ id: 'mine' });
    const { content, leases } = client.services;
    const writer = await content.writer({ ref: 'held', lease: lease.id });
    await writer.write(Buffer.from('held'));
    const { digest } = await writer.commit();
    await client.pull(`${registry.host}/lab/single:1`);
    await collect(client);
    assert.equal((await content.info(digest)).size, 4);
    await leases.delete('mine', { synchronous: true });
    await fails(content.info(digest), 'not-found');
  });
}

// The end of a lease, waited for, is a collection everywhere.
async function collect({ services: { leases } }: Client): Promise<void> {
  const { id } = await leases.create();
  await leases.delete(id, { synchronous: true });
}

async function digestsIn({ services }: Client): Promise<string[]> {
  return (await Array.fromAsync(services.content.walk())).map(({ digest }) => digest);
}

async function namesIn({ services }: Client): Promise<string[]> {
  return (await Array.fromAsync(services.images.list())).map(({ name }) => name);
}

function digestsOf({ blobs }: RandomImage): string[] {
  return blobs.map(({ descriptor }) => descriptor.digest).sort();
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const chunk of stream) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
}
