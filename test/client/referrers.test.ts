import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client } from '../../src/client/client.ts';
import type { Services } from '../../src/services/services.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { referrersTag } from '../../src/spec/referrers.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { document, type RandomBlob, randomImage } from '../../src/testing/random.ts';
import { type Quirks, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { about, emptyConfig } from '../support/referrers.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const image = randomImage({ seed: 'copied', platforms: ['linux/amd64', 'linux/arm64'] });
const type = 'application/vnd.example.signature';
const signature = about(image.root, 'of the index', type);
const ofSignature = about(signature.descriptor, 'of the signature', type);
const [child = image.root] = image.blobs.flatMap(({ descriptor }) =>
  descriptor.mediaType === mediaTypes.ociManifest ? [descriptor] : [],
);
const ofChild = about(child, 'of a manifest', type);
const referrers = [signature, ofSignature, ofChild];

async function registryWith(documents: readonly RandomBlob[], quirks: Quirks = {}): Promise<ScriptedRegistry> {
  const registry = await ScriptedRegistry.start({ quirks });
  registry.add('team/app', image, '1');
  const repository = registry.repository('team/app');
  repository.addBlob(emptyConfig.bytes);
  for (const { descriptor, bytes } of documents) repository.addManifest(descriptor.mediaType, bytes);
  return registry;
}

function clientOver(services: Services = memoryServices()): Client {
  return Client.over(services, {
    registry: { credentials: { get: async () => undefined }, retry: { pause: 1, longestPause: 2 } },
  });
}

async function idsAt(client: Client, name: string, subject: Descriptor): Promise<(string | undefined)[]> {
  const registry = await client.registry();
  const found = await Array.fromAsync(registry.referrers(`${name}@${subject.digest}`));
  return found.map(({ annotations }) => annotations?.['id']);
}

describe('copying what refers to an image', () => {
  it('works from any place to any other, and nothing is lost on the way', async () => {
    await using directory = await temporaryDirectory();
    await using first = await registryWith(referrers);
    // This one has no list of referrers: they are kept under a tag.
    await using second = await ScriptedRegistry.start({ quirks: { referrers: 404 } });
    await using last = await ScriptedRegistry.start();
    await using client = clientOver();
    const stations = [
      `${first.host}/team/app:1`,
      `oci:${directory.join('layout')}:v1`,
      `${second.host}/team/app:1`,
      `oci-archive:${directory.join('a.tar')}:v1`,
      'store:r.io/team/app:1',
      `${last.host}/team/app:1`,
    ];
    for (const [index, to] of stations.slice(1).entries())
      await client.copy(stations[index] ?? '', to, { referrers: true });
    for (const { host } of [second, last]) {
      assert.deepEqual(await idsAt(client, `${host}/team/app`, image.root), ['of the index']);
      assert.deepEqual(await idsAt(client, `${host}/team/app`, signature.descriptor), ['of the signature']);
      assert.deepEqual(await idsAt(client, `${host}/team/app`, child), ['of a manifest']);
    }
  });

  it('is what a pull and a push do as well when they are asked to', async () => {
    await using first = await registryWith(referrers);
    await using last = await ScriptedRegistry.start();
    await using client = clientOver();
    const [name, target] = [`${first.host}/team/app:1`, `${last.host}/team/app:1`];
    await client.pull(name, { platforms: 'all', referrers: true });
    await client.push(name, { target, referrers: true });
    assert.deepEqual(await idsAt(client, target.replace(/:1$/, ''), image.root), ['of the index']);
    await assert.rejects(client.push(name, { target, referrers: true, schema1: true }), /nothing refers to/);
  });

  it('leaves out what names another subject, or none, whatever a registry says', async () => {
    await using registry = await registryWith(referrers);
    const lies = [ofChild, ...image.blobs.filter(({ descriptor }) => descriptor.digest === child.digest)];
    const list = document(mediaTypes.ociIndex, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [signature, ...lies].map(({ descriptor }) => descriptor),
    });
    registry.quirks = { referrers: 404 };
    registry.repository('team/app').addManifest(mediaTypes.ociIndex, list.bytes, referrersTag(image.root.digest));
    await using target = await ScriptedRegistry.start();
    await using client = clientOver();
    await client.copy(`${registry.host}/team/app:1`, `${target.host}/team/app:1`, { referrers: true });
    const there = target.repository('team/app').manifests;
    assert.ok(there.has(signature.descriptor.digest));
    assert.ok(!there.has(ofChild.descriptor.digest));
  });

  it('leaves out what is listed and gone, and tells of it', async () => {
    await using registry = await registryWith(referrers);
    registry.script({ on: `GET */${signature.descriptor.digest}`, answer: { status: 404 } });
    await using target = await ScriptedRegistry.start();
    await using client = clientOver();
    const skipped: string[] = [];
    await client.copy(`${registry.host}/team/app:1`, `${target.host}/team/app:1`, {
      referrers: true,
      onProgress: (event) => {
        if (event.type === 'blob' && event.state === 'skipped') skipped.push(event.target.digest);
      },
    });
    assert.deepEqual(skipped, [signature.descriptor.digest]);
    const arrived = target.repository('team/app').manifests;
    const others = referrers.filter(({ descriptor }) => descriptor.digest !== signature.descriptor.digest);
    assert.ok(others.some(({ descriptor }) => arrived.has(descriptor.digest)));
  });

  it('ends where a registry lists things in a circle', async () => {
    await using registry = await registryWith(referrers);
    const everything = [image.root, ...referrers.map(({ descriptor }) => descriptor)];
    const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: everything });
    registry.script({
      on: 'GET /v2/*/referrers/*',
      answer: { status: 200, headers: { 'content-type': mediaTypes.ociIndex }, body },
    });
    await using target = await ScriptedRegistry.start();
    await using client = clientOver();
    await client.copy(`${registry.host}/team/app:1`, `${target.host}/team/app:1`, { referrers: true });
    const asked = registry.log().filter((line) => line.includes('/referrers/'));
    assert.equal(new Set(asked).size, asked.length);
  });

  it('says so where the source cannot tell', async () => {
    await using directory = await temporaryDirectory();
    await using client = clientOver();
    await client.services.images.create({ name: 'r.io/app:1', target: image.root });
    await assert.rejects(client.copy(`dir:${directory.path}`, 'store:r.io/b:1', { referrers: true }));
  });
});

describe('an image of which a registry has a part', () => {
  it('counts as whole, and is mended by who asks for it', async () => {
    await using registry = await registryWith([]);
    await using target = await ScriptedRegistry.start({ quirks: { takesIncomplete: true } });
    await using client = clientOver();
    const [from, to] = [`${registry.host}/team/app:1`, `${target.host}/team/app:1`];
    await client.copy(from, to, { platforms: ['linux/amd64'] });
    const there = target.repository('team/app');
    const isWhole = (): boolean =>
      image.blobs.every(({ descriptor: { digest } }) => there.manifests.has(digest) || there.blobs.has(digest));
    assert.equal(isWhole(), false);
    assert.equal((await client.copy(from, to)).summary.existed, 1);
    assert.equal(isWhole(), false);
    await client.copy(from, to, { repair: true });
    assert.equal(isWhole(), true);
    target.clear();
    await client.copy(from, to, { repair: true });
    assert.deepEqual(
      target.log().filter((line) => line.startsWith('PUT /v2/team/app/manifests/')),
      [],
    );
  });
});

describe('copying tags that are named after a digest', () => {
  it('takes those of the image and of its manifests, and no others', async () => {
    await using registry = await registryWith([]);
    const own = [`${referrersTag(image.root.digest)}.sig`, `${referrersTag(child.digest)}.att`];
    const others = [`sha256-${'0'.repeat(64)}.sig`, 'sha256-odd', '2'];
    for (const tag of [...own, ...others]) registry.repository('team/app').tags.set(tag, child.digest);
    await using target = await ScriptedRegistry.start();
    await using client = clientOver();
    const [from, to] = [`${registry.host}/team/app:1`, `${target.host}/team/copy:1`];
    const { documents } = await client.copy(from, to);
    const digests = documents.map(({ digest }) => digest);
    assert.equal(await client.copyDigestTags(from, to, digests), 2);
    assert.deepEqual([...target.repository('team/copy').tags.keys()].sort(), ['1', ...own].sort());
  });

  it('works between registries, layouts and the store, each time under the name of the target', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await registryWith([]);
    await using last = await ScriptedRegistry.start();
    const own = [`${referrersTag(image.root.digest)}.sig`, `${referrersTag(child.digest)}.att`];
    for (const tag of [...own, 'other']) registry.repository('team/app').tags.set(tag, child.digest);
    await using client = clientOver();
    const stations = [
      `${registry.host}/team/app:1`,
      `oci:${directory.join('tags')}:v1`,
      'store:app:1',
      `oci:${directory.join('names')}:r.io/app:1`,
      `${last.host}/back:1`,
    ];
    for (const [index, to] of stations.slice(1).entries()) {
      const from = stations[index] ?? '';
      const { documents } = await client.copy(from, to);
      const digests = documents.map(({ digest }) => digest);
      assert.equal(await client.copyDigestTags(from, to, digests), 2, to);
    }
    assert.deepEqual([...last.repository('back').tags.keys()].sort(), ['1', ...own].sort());
    const stored = (await Array.fromAsync(client.services.images.list())).map(({ name }) => name);
    assert.deepEqual(stored.sort(), ['1', ...own].map((tag) => `docker.io/library/app:${tag}`).sort());
  });

  it('is refused at once for a place that has no tags', async () => {
    await using registry = await registryWith([]);
    await using client = clientOver();
    const reference = `${registry.host}/team/app:1`;
    for (const place of ['oci-archive:a.tar', 'docker-archive:a.tar:app:1', 'dir:d'])
      for (const [source, target] of [[place, reference] as const, [reference, place] as const])
        await assert.rejects(client.copyDigestTags(source, target, []), /has no tags beside its image/);
    assert.deepEqual(registry.log(), []);
  });
});
