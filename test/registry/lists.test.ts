import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import type { Digest } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { document, type RandomBlob, randomImage } from '../../src/testing/random.ts';
import {
  collectAll,
  graceOver,
  importImage,
  nothing,
  pushBlob,
  pushImage,
  putManifest,
  type Send,
  serve,
} from './support.ts';

const image = randomImage({ seed: 'listed', layers: [10] });
const root = image.blobs.at(-1);
assert.ok(root);

async function tagged(send: Send, repository: string, ...tags: readonly string[]): Promise<void> {
  await pushImage(send, repository, image, tags[0] ?? 'latest');
  for (const tag of tags) assert.equal((await putManifest(send, repository, root as RandomBlob, tag)).status, 201);
}

/** Follows the links of a list to its end. */
async function follow<T>(send: Send, path: string, of: (page: never) => readonly T[]): Promise<T[][]> {
  const pages: T[][] = [];
  for (let at: string | undefined = path; at !== undefined && pages.length < 100; ) {
    const { status, headers, body } = await send('GET', at);
    assert.equal(status, 200);
    pages.push([...of(JSON.parse(body.toString()) as never)]);
    at = /<([^>]+)>; rel="next"/.exec(String(headers['link'] ?? ''))?.[1];
  }
  return pages;
}

group('the list of tags', () => {
  it('is in byte order, and has nothing else', async () => {
    await using registry = await serve();
    await tagged(registry.send, 'app', 'b', 'A', '_x', '10', '9', 'a.1');
    await tagged(registry.send, 'app/below', 'other');
    await tagged(registry.send, 'app-2', 'other');
    await putManifest(registry.send, 'app', root, image.root.digest);
    const { headers, body } = await registry.send('GET', '/v2/app/tags/list');
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(body.toString()), { name: 'app', tags: ['10', '9', 'A', '_x', 'a.1', 'b'] });
  });

  it('comes in pages, each with the way to the next', async () => {
    await using registry = await serve();
    const tags = Array.from({ length: 7 }, (_, at) => `v${at}`);
    await tagged(registry.send, 'app', ...tags);
    const pages = await follow(registry.send, '/v2/app/tags/list?n=3', ({ tags: found }: { tags: string[] }) => found);
    assert.deepEqual(pages, [tags.slice(0, 3), tags.slice(3, 6), tags.slice(6)]);
  });

  it('begins behind last, which need not be there', async () => {
    await using registry = await serve();
    await tagged(registry.send, 'app', 'a', 'c', 'e');
    const found = async (query: string) =>
      (await registry.send('GET', `/v2/app/tags/list?${query}`)).json<{ tags: string[] }>().tags;
    assert.deepEqual(await found('last=a'), ['c', 'e']);
    assert.deepEqual(await found('last=b'), ['c', 'e']);
    assert.deepEqual(await found('last=e'), []);
    assert.deepEqual(await found('n=1&last=a'), ['c']);
  });

  it('of no entries is empty and leads nowhere', async () => {
    await using registry = await serve();
    await tagged(registry.send, 'app', 'a');
    const { status, headers, body } = await registry.send('GET', '/v2/app/tags/list?n=0');
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body.toString()), { name: 'app', tags: [] });
    assert.equal(headers['link'], undefined);
  });

  it('takes an enormous n for the largest page', async () => {
    await using registry = await serve();
    await tagged(registry.send, 'app', 'a');
    const { body } = await registry.send('GET', '/v2/app/tags/list?n=1000000000');
    assert.deepEqual(JSON.parse(body.toString()), { name: 'app', tags: ['a'] });
  });

  for (const n of ['-1', 'x', '1.5', '', '1e9', '9'.repeat(30)]) {
    it(`refuses ${JSON.stringify(n.slice(0, 10))} for n`, async () => {
      await using registry = await serve();
      const { status, code } = await registry.send('GET', `/v2/app/tags/list?n=${n}`);
      assert.equal(status, 400);
      assert.equal(code, 'PAGINATION_NUMBER_INVALID');
    });
  }

  it('of a repository that nobody knows is not found', async () => {
    await using registry = await serve();
    const { status, code } = await registry.send('GET', '/v2/app/tags/list');
    assert.equal(status, 404);
    assert.equal(code, 'NAME_UNKNOWN');
  });

  it('of a repository without a tag is empty', async () => {
    await using registry = await serve();
    await tagged(registry.send, 'app', 'a');
    await registry.send('DELETE', '/v2/app/manifests/a');
    assert.deepEqual((await registry.send('GET', '/v2/app/tags/list')).json(), { name: 'app', tags: [] });
  });
});

group('the catalog', () => {
  it('lists what was pushed and what was put there by other means, under the names that URLs have', async () => {
    await using registry = await serve();
    await tagged(registry.send, 'b', 'x', 'y');
    await tagged(registry.send, 'a/b', 'x');
    await importImage(registry.services, 'docker.io/library/redis:7', randomImage({ seed: 'redis' }));
    await registry.services.images.create({ name: 'no reference at all', target: image.root });
    const config = image.blobs.at(-2);
    assert.ok(config);
    for (const blob of image.blobs.slice(0, -1)) await pushBlob(registry.send, 'untagged', blob);
    await putManifest(registry.send, 'untagged', root, image.root.digest);
    const { body } = await registry.send('GET', '/v2/_catalog');
    assert.deepEqual(JSON.parse(body.toString()), {
      repositories: ['a/b', 'b', 'docker.io/library/redis', 'untagged'],
    });
  });

  it('comes in pages', async () => {
    await using registry = await serve();
    for (const name of ['a', 'a/b', 'a-b', 'b']) await tagged(registry.send, name, 'x');
    const pages = await follow(
      registry.send,
      '/v2/_catalog?n=3',
      ({ repositories }: { repositories: string[] }) => repositories,
    );
    assert.deepEqual(pages, [['a', 'a-b', 'a/b'], ['b']]);
    assert.deepEqual((await registry.send('GET', '/v2/_catalog?n=1000000000')).status, 200);
  });
});

const subject = image.root;

/** An artifact that refers to a subject. */
function artifact(type: string, more: object = {}, of: Descriptor = subject): RandomBlob {
  return document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: type,
    config: empty.descriptor,
    layers: [empty.descriptor],
    subject: of,
    ...more,
  });
}

const empty = document(mediaTypes.ociEmpty, {});

async function refer(
  send: Send,
  blob: RandomBlob,
  reference: string = blob.descriptor.digest,
): Promise<string | undefined> {
  await pushBlob(send, 'app', empty);
  const { status, headers } = await putManifest(send, 'app', blob, reference);
  assert.equal(status, 201);
  return headers['oci-subject'] as string | undefined;
}

async function referrers(send: Send, of: Digest = subject.digest, query = ''): Promise<Descriptor[]> {
  const { status, headers, body } = await send('GET', `/v2/app/referrers/${of}${query}`);
  assert.equal(status, 200);
  assert.equal(headers['content-type'], mediaTypes.ociIndex);
  const index = JSON.parse(body.toString()) as { schemaVersion: number; mediaType: string; manifests: Descriptor[] };
  assert.equal(index.schemaVersion, 2);
  assert.equal(index.mediaType, mediaTypes.ociIndex);
  return index.manifests;
}

group('referrers', () => {
  it('are none of a subject that nobody refers to, there or not', async () => {
    await using registry = await serve();
    assert.deepEqual(await referrers(registry.send, nothing), []);
    assert.equal((await registry.send('GET', '/v2/app/referrers/latest')).status, 400);
  });

  it('are described with their type and their annotations, and the answer to the push names the subject', async () => {
    await using registry = await serve();
    const signature = artifact('application/vnd.example.signature', { annotations: { signed: 'yes' } });
    const plain = artifact('', { artifactType: undefined });
    const index = document(mediaTypes.ociIndex, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [],
      subject,
    });
    assert.equal(await refer(registry.send, signature), subject.digest);
    assert.equal(await refer(registry.send, plain, 'tagged'), subject.digest);
    assert.equal(await refer(registry.send, index), subject.digest);
    const expected = [
      { ...signature.descriptor, artifactType: 'application/vnd.example.signature', annotations: { signed: 'yes' } },
      { ...plain.descriptor, artifactType: mediaTypes.ociEmpty },
      index.descriptor,
    ].sort((a, b) => (a.digest < b.digest ? -1 : 1));
    assert.deepEqual(await referrers(registry.send), expected);
  });

  it('are filtered by type, and the answer says so', async () => {
    await using registry = await serve();
    const [one, two] = [artifact('application/one'), artifact('application/two+json')];
    await refer(registry.send, one);
    await refer(registry.send, two);
    const query = `?artifactType=${encodeURIComponent('application/two+json')}`;
    const { headers } = await registry.send('GET', `/v2/app/referrers/${subject.digest}${query}`);
    assert.equal(headers['oci-filters-applied'], 'artifactType');
    const digests = (await referrers(registry.send, subject.digest, query)).map(({ digest }) => digest);
    assert.deepEqual(digests, [two.descriptor.digest]);
    await refer(registry.send, artifact('application/three'));
    const several = '?artifactType=application/one&artifactType=application/two%2Bjson';
    assert.equal((await referrers(registry.send, subject.digest, several)).length, 2);
    const unfiltered = await registry.send('GET', `/v2/app/referrers/${subject.digest}`);
    assert.equal(unfiltered.headers['oci-filters-applied'], undefined);
  });

  it('come in pages when they are many', async () => {
    await using registry = await serve();
    const many = Array.from({ length: 250 }, (_, at) =>
      artifact(at % 2 === 0 ? 'a/even' : 'a/odd', { annotations: { at: String(at) } }),
    );
    await Promise.all(many.map((blob) => refer(registry.send, blob)));
    const of = ({ manifests }: { manifests: Descriptor[] }) => manifests.map(({ digest }) => digest);
    const pages = await follow(registry.send, `/v2/app/referrers/${subject.digest}`, of);
    assert.deepEqual(
      pages.map((page) => page.length),
      [100, 100, 50],
    );
    assert.deepEqual(pages.flat().sort(), many.map(({ descriptor }) => descriptor.digest).sort());
    const odd = await follow(registry.send, `/v2/app/referrers/${subject.digest}?artifactType=a/odd`, of);
    assert.equal(odd.flat().length, 125);
  });

  it('are those of one repository', async () => {
    await using registry = await serve();
    await refer(registry.send, artifact('a/b'));
    const { body } = await registry.send('GET', `/v2/other/referrers/${subject.digest}`);
    assert.deepEqual((JSON.parse(body.toString()) as { manifests: unknown }).manifests, []);
  });

  it('stay when nothing else keeps them, and go when they are deleted', async () => {
    await using registry = await serve({ grace: 300 });
    const signature = artifact('a/b');
    await refer(registry.send, signature);
    await graceOver(registry);
    assert.equal((await referrers(registry.send)).length, 1);
    await registry.send('DELETE', `/v2/app/manifests/${signature.descriptor.digest}`);
    assert.deepEqual(await referrers(registry.send), []);
    await collectAll(registry);
  });

  it('go with their subject', async () => {
    await using registry = await serve({ grace: 300 });
    await tagged(registry.send, 'app', 'latest');
    await refer(registry.send, artifact('a/b'));
    await registry.send('DELETE', `/v2/app/manifests/${subject.digest}`);
    assert.deepEqual(await referrers(registry.send), []);
    await collectAll(registry);
  });
});
