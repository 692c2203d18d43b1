import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { document, randomBlob, randomImage } from '../../src/testing/random.ts';
import {
  collectAll,
  graceOver,
  importImage,
  isDocument,
  nothing,
  pushBlob,
  pushImage,
  putManifest,
  type Send,
  serve,
} from './support.ts';

const image = randomImage({ seed: 'an image' });
const index = randomImage({ seed: 'an index', platforms: ['linux/amd64', 'linux/arm64/v8'] });

async function pushBlobs(send: Send, repository: string): Promise<void> {
  for (const blob of image.blobs) if (!isDocument(blob)) await pushBlob(send, repository, blob);
}

function rootOf({ root, blobs }: typeof image) {
  const found = blobs.find(({ descriptor }) => descriptor.digest === root.digest);
  assert.ok(found);
  return found;
}

const root = rootOf(image);

/** Short enough to wait for, long enough to push an image in it. */
const shortGrace = 300;

group('a manifest', () => {
  it('comes back by tag and by digest as the bytes that were put', async () => {
    await using registry = await serve();
    const { status, headers } = await pushImage(registry.send, 'acme/app', image, '1.0');
    assert.equal(status, 201);
    assert.equal(headers.location, `/v2/acme/app/manifests/${image.root.digest}`);
    assert.equal(headers['docker-content-digest'], image.root.digest);
    for (const reference of ['1.0', image.root.digest]) {
      for (const method of ['GET', 'HEAD']) {
        const found = await registry.send(method, `/v2/acme/app/manifests/${reference}`);
        assert.equal(found.status, 200);
        assert.equal(found.headers['content-type'], image.root.mediaType);
        assert.equal(found.headers['content-length'], String(image.root.size));
        assert.equal(found.headers['docker-content-digest'], image.root.digest);
        assert.deepEqual(found.body, method === 'GET' ? Buffer.from(root.bytes) : Buffer.alloc(0));
      }
    }
  });

  it('may be kept by caches under its digest and not under a tag', async () => {
    await using registry = await serve();
    await pushImage(registry.send, 'app', image, 'latest');
    for (const headers of [{}, { 'If-None-Match': `"${image.root.digest}"` }]) {
      const tagged = await registry.send('GET', '/v2/app/manifests/latest', { headers });
      assert.equal(tagged.headers['cache-control'], 'no-cache');
      const named = await registry.send('GET', `/v2/app/manifests/${image.root.digest}`, { headers });
      assert.match(named.headers['cache-control'] ?? '', /immutable/);
    }
  });

  it('keeps spacing, unknown fields and the order of keys', async () => {
    await using registry = await serve();
    await pushBlobs(registry.send, 'app');
    const parsed = JSON.parse(Buffer.from(root.bytes).toString()) as Record<string, unknown>;
    const text = ` ${JSON.stringify({ 'org.example.extra': [1, null], ...parsed }, undefined, 3)}\n\n`;
    const headers = { 'Content-Type': mediaTypes.ociManifest };
    assert.equal((await registry.send('PUT', '/v2/app/manifests/odd', { headers, body: text })).status, 201);
    assert.equal((await registry.send('GET', '/v2/app/manifests/odd')).body.toString(), text);
  });

  it('that is an index comes with its platforms', async () => {
    await using registry = await serve();
    assert.equal((await pushImage(registry.send, 'app', index, 'all')).status, 201);
    for (const blob of index.blobs.filter(isDocument)) {
      const { status, body } = await registry.send('GET', `/v2/app/manifests/${blob.descriptor.digest}`);
      assert.equal(status, 200);
      assert.deepEqual(body, Buffer.from(blob.bytes));
    }
  });

  it('is not there for another repository', async () => {
    await using registry = await serve();
    await pushImage(registry.send, 'app', image, 'latest');
    for (const reference of ['latest', image.root.digest]) {
      const { status, code } = await registry.send('GET', `/v2/other/manifests/${reference}`);
      assert.equal(status, 404);
      assert.equal(code, 'MANIFEST_UNKNOWN');
    }
  });

  it('is no blob, and a blob is no manifest', async () => {
    await using registry = await serve();
    await pushImage(registry.send, 'app', image, 'latest');
    assert.equal((await registry.send('GET', `/v2/app/blobs/${image.root.digest}`)).status, 404);
    const layer = image.blobs[0]?.descriptor.digest;
    assert.equal((await registry.send('GET', `/v2/app/manifests/${layer}`)).status, 404);
  });

  it('under sha512 is found under it, and tagged with a query', async () => {
    await using registry = await serve();
    await pushBlobs(registry.send, 'app');
    const digest = digestOf(root.bytes, 'sha512');
    const { status, headers } = await putManifest(registry.send, 'app', root, `${digest}?tag=strong`);
    assert.equal(status, 201);
    assert.equal(headers['docker-content-digest'], digest);
    assert.equal((await registry.send('HEAD', '/v2/app/manifests/strong')).headers['docker-content-digest'], digest);
  });

  it('is not sent again to a client that has it', async () => {
    await using registry = await serve();
    await pushImage(registry.send, 'app', image, 'latest');
    const headers = { 'If-None-Match': `"${image.root.digest}"` };
    assert.equal((await registry.send('GET', '/v2/app/manifests/latest', { headers })).status, 304);
  });
});

group('tags', () => {
  it('are set by the query of a manifest that is put by digest', async () => {
    await using registry = await serve();
    await pushBlobs(registry.send, 'app');
    const names = Array.from({ length: 12 }, (_, at) => `v${at}`);
    const query = names.map((name) => `tag=${name}`).join('&');
    const { status, headers } = await putManifest(registry.send, 'app', root, `${image.root.digest}?${query}`);
    assert.equal(status, 201);
    assert.equal(headers['oci-tag'], names.join(', '));
    for (const name of names) assert.equal((await registry.send('HEAD', `/v2/app/manifests/${name}`)).status, 200);
  });

  it('are none of them set when they are very many', async () => {
    await using registry = await serve();
    await pushBlobs(registry.send, 'app');
    const query = Array.from({ length: 101 }, (_, at) => `tag=v${at}`).join('&');
    const { status } = await putManifest(registry.send, 'app', root, `${image.root.digest}?${query}`);
    assert.equal(status, 414);
    assert.equal((await registry.send('HEAD', '/v2/app/manifests/v0')).status, 404);
  });

  it('are none of them set when one is malformed', async () => {
    await using registry = await serve();
    await pushBlobs(registry.send, 'app');
    const { status, code } = await putManifest(registry.send, 'app', root, `${image.root.digest}?tag=good&tag=-bad`);
    assert.equal(status, 400);
    assert.equal(code, 'TAG_INVALID');
    assert.equal((await registry.send('HEAD', '/v2/app/manifests/good')).status, 404);
  });

  it('move, and what they meant before stays by its digest', async () => {
    await using registry = await serve({ grace: shortGrace });
    await pushImage(registry.send, 'app', image, 'latest');
    await pushImage(registry.send, 'app', index, 'latest');
    await graceOver(registry);
    const { headers } = await registry.send('HEAD', '/v2/app/manifests/latest');
    assert.equal(headers['docker-content-digest'], index.root.digest);
    assert.equal((await registry.send('GET', `/v2/app/manifests/${image.root.digest}`)).status, 200);
  });

  it('are images of the store', async () => {
    await using registry = await serve();
    await pushImage(registry.send, 'acme/app', image, '1.0');
    await pushImage(registry.send, 'ghcr.io/acme/tool', image, '2');
    const names = await Array.fromAsync(registry.services.images.list(), ({ name }) => name);
    assert.deepEqual(names, ['ghcr.io/acme/tool:2', 'localhost/acme/app:1.0']);
    const { target } = await registry.services.images.get('localhost/acme/app:1.0');
    assert.equal(target.digest, image.root.digest);
  });
});

group('a manifest is refused', () => {
  const cases: readonly [string, string, string | Uint8Array, string][] = [
    ['that is no JSON', mediaTypes.ociManifest, 'layers', 'MANIFEST_INVALID'],
    ['that is empty', mediaTypes.ociManifest, '', 'MANIFEST_INVALID'],
    ['that is an array', mediaTypes.ociManifest, '[]', 'MANIFEST_INVALID'],
    ['without a config', mediaTypes.ociManifest, '{"schemaVersion":2,"layers":[]}', 'MANIFEST_INVALID'],
    [
      'with an impossible size',
      mediaTypes.ociIndex,
      `{"manifests":[{"mediaType":"a","digest":"${nothing}","size":-1}]}`,
      'MANIFEST_INVALID',
    ],
    [
      'with a size no number can hold',
      mediaTypes.ociIndex,
      `{"manifests":[{"mediaType":"a","digest":"${nothing}","size":4611686018427387904}]}`,
      'MANIFEST_INVALID',
    ],
    [
      'that could be read as an index too',
      mediaTypes.ociManifest,
      JSON.stringify({ ...JSON.parse(Buffer.from(root.bytes).toString()), manifests: [] }),
      'MANIFEST_INVALID',
    ],
    ['whose own type is another', mediaTypes.dockerManifest, root.bytes, 'MANIFEST_INVALID'],
    ['of a type that is none', 'text/plain', root.bytes, 'MANIFEST_INVALID'],
    [
      'of schema 1',
      mediaTypes.dockerSchema1Signed,
      '{"schemaVersion":1,"fsLayers":[],"signatures":[]}',
      'MANIFEST_INVALID',
    ],
    ['nested beyond any use', mediaTypes.ociIndex, `{"manifests":${'['.repeat(50_000)}`, 'MANIFEST_INVALID'],
    ['with text that is no UTF-8', mediaTypes.ociIndex, Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 'MANIFEST_INVALID'],
  ];
  for (const [what, type, body, code] of cases) {
    it(what, async () => {
      await using registry = await serve();
      await pushBlobs(registry.send, 'app');
      const found = await registry.send('PUT', '/v2/app/manifests/x', { headers: { 'Content-Type': type }, body });
      assert.equal(found.status, 400);
      assert.equal(found.code, code);
      assert.equal((await registry.send('GET', '/v2/app/manifests/x')).status, 404);
    });
  }

  it('whose digest is another, or none', async () => {
    await using registry = await serve();
    await pushBlobs(registry.send, 'app');
    for (const reference of [nothing, 'sha256:baddigeststring', `sha512:${'0'.repeat(128)}`]) {
      const { status, code } = await putManifest(registry.send, 'app', root, reference);
      assert.equal(status, 400);
      assert.equal(code, 'DIGEST_INVALID');
    }
    assert.ok([400, 404].includes((await registry.send('GET', '/v2/app/manifests/sha256:baddigeststring')).status));
  });

  it('with a tag that is none', async () => {
    await using registry = await serve();
    for (const tag of ['-x', '.x', 'a'.repeat(129), '%20', 'a%00b', 'ä']) {
      const { status } = await putManifest(registry.send, 'app', root, encodeURI(tag));
      assert.equal(status, 400, tag);
    }
  });

  it('that names a layer the repository does not have, even if another has it', async () => {
    await using registry = await serve();
    await pushImage(registry.send, 'other', image, 'latest');
    const { status, code } = await putManifest(registry.send, 'app', root, 'latest');
    assert.equal(status, 400);
    assert.equal(code, 'MANIFEST_BLOB_UNKNOWN');
    assert.equal((await registry.send('GET', `/v2/app/manifests/${image.root.digest}`)).status, 404);
  });

  it('that is larger than a manifest may be, told or not', async () => {
    await using registry = await serve({ manifestLimit: 100_000 });
    const body = `{"manifests":[],"annotations":{"x":"${'x'.repeat(200_000)}"}}`;
    const headers = { 'Content-Type': mediaTypes.ociIndex };
    assert.equal((await registry.send('PUT', '/v2/app/manifests/x', { headers, body })).status, 413);
    const streamed = await fetch(`${registry.url}/v2/app/manifests/x`, {
      method: 'PUT',
      headers,
      body: new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    assert.equal(streamed.status, 413);
  });
});

group('a manifest is accepted', () => {
  it('of 4 MiB', async () => {
    await using registry = await serve();
    const annotations = Object.fromEntries(Array.from({ length: 420 }, (_, at) => [`a${at}`, 'A'.repeat(10_000)]));
    const large = document(mediaTypes.ociIndex, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [],
      annotations,
    });
    assert.ok(large.bytes.byteLength > 4 * 1024 * 1024);
    assert.equal((await putManifest(registry.send, 'app', large, 'large')).status, 201);
    assert.deepEqual((await registry.send('GET', '/v2/app/manifests/large')).body, Buffer.from(large.bytes));
  });

  it('that is an index over manifests that are not there', async () => {
    await using registry = await serve();
    assert.equal((await putManifest(registry.send, 'app', rootOf(index), 'sparse')).status, 201);
  });

  it('that lacks layers, when the registry was told to', async () => {
    await using registry = await serve({ sparse: 'all' });
    assert.equal((await putManifest(registry.send, 'app', root, 'sparse')).status, 201);
  });

  it('whose foreign layers are elsewhere', async () => {
    await using registry = await serve();
    const config = document(mediaTypes.ociConfig, { os: 'windows', architecture: 'amd64' });
    await pushBlob(registry.send, 'app', config);
    const layers = [
      { mediaType: mediaTypes.ociForeignLayerGzip, digest: nothing, size: 5, urls: ['https://example.com/'] },
    ];
    const manifest = document(mediaTypes.ociManifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: config.descriptor,
      layers,
    });
    assert.equal((await putManifest(registry.send, 'app', manifest, 'windows')).status, 201);
  });

  it('without a Content-Type, when it says itself what it is', async () => {
    await using registry = await serve();
    await pushBlobs(registry.send, 'app');
    assert.equal((await registry.send('PUT', '/v2/app/manifests/x', { body: root.bytes })).status, 201);
    assert.equal((await registry.send('HEAD', '/v2/app/manifests/x')).headers['content-type'], mediaTypes.ociManifest);
  });

  it('with a Content-Type in capitals, and with parameters', async () => {
    await using registry = await serve();
    await pushBlobs(registry.send, 'app');
    const headers = { 'Content-Type': `${mediaTypes.ociManifest.toUpperCase()}; charset=utf-8` };
    assert.equal((await registry.send('PUT', '/v2/app/manifests/x', { body: root.bytes, headers })).status, 201);
    assert.equal((await registry.send('HEAD', '/v2/app/manifests/x')).headers['content-type'], mediaTypes.ociManifest);
  });

  it('of the docker family', async () => {
    await using registry = await serve();
    const docker = randomImage({ seed: 'docker', family: 'docker', platforms: ['linux/amd64', 'linux/arm64'] });
    assert.equal((await pushImage(registry.send, 'app', docker, 'docker')).status, 201);
    const { headers } = await registry.send('GET', '/v2/app/manifests/docker');
    assert.equal(headers['content-type'], mediaTypes.dockerManifestList);
  });
});

group('a deletion', () => {
  it('of a tag leaves the manifest and its other tags', async () => {
    await using registry = await serve();
    await pushImage(registry.send, 'app', image, 'one');
    await putManifest(registry.send, 'app', root, 'two');
    assert.equal((await registry.send('DELETE', '/v2/app/manifests/one')).status, 202);
    assert.equal((await registry.send('GET', '/v2/app/manifests/one')).status, 404);
    assert.equal((await registry.send('GET', '/v2/app/manifests/two')).status, 200);
    assert.equal((await registry.send('GET', `/v2/app/manifests/${image.root.digest}`)).status, 200);
    assert.equal((await registry.send('DELETE', '/v2/app/manifests/one')).status, 404);
  });

  it('of a manifest takes its tags along, and no other repository', async () => {
    await using registry = await serve();
    await pushImage(registry.send, 'app', image, 'one');
    await putManifest(registry.send, 'app', root, 'two');
    await pushImage(registry.send, 'app', index, 'other');
    await pushImage(registry.send, 'elsewhere', image, 'one');
    assert.equal((await registry.send('DELETE', `/v2/app/manifests/${image.root.digest}`)).status, 202);
    for (const reference of ['one', 'two', image.root.digest]) {
      assert.equal((await registry.send('HEAD', `/v2/app/manifests/${reference}`)).status, 404, reference);
    }
    assert.equal((await registry.send('GET', '/v2/app/manifests/other')).status, 200);
    assert.equal((await registry.send('GET', '/v2/elsewhere/manifests/one')).status, 200);
    assert.equal((await registry.send('DELETE', `/v2/app/manifests/${image.root.digest}`)).status, 404);
  });

  it('lets the next collection after the grace take what it was made of', async () => {
    await using registry = await serve({ grace: shortGrace });
    await pushImage(registry.send, 'app', image, 'one');
    await registry.send('DELETE', `/v2/app/manifests/${image.root.digest}`);
    await collectAll(registry);
  });

  it('of a tag alone does so too', async () => {
    await using registry = await serve({ grace: shortGrace });
    await pushImage(registry.send, 'app', index, 'one');
    await registry.send('DELETE', '/v2/app/manifests/one');
    await collectAll(registry);
  });
});

group('a collection', () => {
  it('leaves what was pushed by digest alone', async () => {
    await using registry = await serve({ grace: shortGrace });
    await pushBlobs(registry.send, 'app');
    await putManifest(registry.send, 'app', root, image.root.digest);
    await graceOver(registry);
    assert.equal((await registry.send('GET', `/v2/app/manifests/${image.root.digest}`)).status, 200);
    for (const { descriptor } of image.blobs.filter((blob) => !isDocument(blob))) {
      assert.equal((await registry.send('GET', `/v2/app/blobs/${descriptor.digest}`)).status, 200);
    }
  });

  it('takes an image whose name was removed from the store, with all its platforms', async () => {
    await using registry = await serve({ grace: shortGrace });
    await pushImage(registry.send, 'app', index, 'all');
    await registry.services.images.delete('localhost/app:all');
    await collectAll(registry);
  });

  it('leaves blobs that were pushed lately', async () => {
    await using registry = await serve();
    await pushBlobs(registry.send, 'app');
    await registry.store.collect();
    assert.equal((await putManifest(registry.send, 'app', root, 'late')).status, 201);
  });

  it('leaves an old blob that a client was told of and now names', async () => {
    await using first = await serve({ grace: shortGrace });
    await pushImage(first.send, 'app', image, 'one');
    await graceOver(first);
    await using second = await serve({ root: first.root });
    for (const { descriptor } of image.blobs.filter((blob) => !isDocument(blob))) {
      assert.equal((await second.send('HEAD', `/v2/app/blobs/${descriptor.digest}`)).status, 200);
    }
    await second.services.images.delete('localhost/app:one');
    await second.store.collect();
    assert.equal((await putManifest(second.send, 'app', root, 'two')).status, 201);
  });
});

group('an image that the registry did not make', () => {
  it('can be pulled under its name, and with the host as a query', async () => {
    await using registry = await serve();
    await importImage(registry.services, 'docker.io/library/redis:7', index);
    for (const [repository, query] of [
      ['docker.io/library/redis', ''],
      ['library/redis', '?ns=docker.io'],
      ['library/redis', '?ns=registry-1.docker.io'],
    ] as const) {
      const found = await registry.send('GET', `/v2/${repository}/manifests/7${query}`);
      assert.equal(found.status, 200);
      assert.equal(found.headers['docker-content-digest'], index.root.digest);
      if (query !== '') assert.equal(found.headers['oci-namespace'], 'docker.io');
      for (const blob of index.blobs) {
        const kind = isDocument(blob) ? 'manifests' : 'blobs';
        const { status } = await registry.send('GET', `/v2/${repository}/${kind}/${blob.descriptor.digest}${query}`);
        assert.equal(status, 200);
      }
      const tags = await registry.send('GET', `/v2/${repository}/tags/list${query}`);
      assert.deepEqual(tags.json(), { name: 'docker.io/library/redis', tags: ['7'] });
    }
    assert.equal((await registry.send('GET', '/v2/library/redis/manifests/7')).status, 404);
  });

  it('can be pulled by digest without asking for its tag first', async () => {
    await using registry = await serve();
    await importImage(registry.services, 'ghcr.io/acme/app:1', index);
    for (const { descriptor } of index.blobs.filter(isDocument)) {
      assert.equal((await registry.send('GET', `/v2/ghcr.io/acme/app/manifests/${descriptor.digest}`)).status, 200);
      assert.equal((await registry.send('GET', `/v2/ghcr.io/acme/other/manifests/${descriptor.digest}`)).status, 404);
    }
  });

  it('stops being there with its name', async () => {
    await using registry = await serve();
    await importImage(registry.services, 'ghcr.io/acme/app:1', index);
    await importImage(registry.services, 'ghcr.io/acme/copy:1', index).catch(() => {});
    await registry.services.images.create({ name: 'ghcr.io/acme/other:1', target: index.root });
    await registry.services.images.delete('ghcr.io/acme/app:1');
    assert.equal((await registry.send('GET', `/v2/ghcr.io/acme/app/manifests/${index.root.digest}`)).status, 404);
    assert.equal((await registry.send('GET', `/v2/ghcr.io/acme/other/manifests/${index.root.digest}`)).status, 200);
  });

  it('can be deleted by its tag, but not a part of it', async () => {
    await using registry = await serve();
    await importImage(registry.services, 'ghcr.io/acme/app:1', index);
    const part = index.blobs.find((blob) => isDocument(blob) && blob.descriptor.digest !== index.root.digest);
    const refused = await registry.send('DELETE', `/v2/ghcr.io/acme/app/manifests/${part?.descriptor.digest}`);
    assert.equal(refused.status, 405);
    assert.equal((await registry.send('DELETE', '/v2/ghcr.io/acme/app/manifests/1')).status, 202);
    assert.equal((await registry.send('GET', '/v2/ghcr.io/acme/app/manifests/1')).status, 404);
    await importImage(registry.services, 'ghcr.io/acme/tool:1', image);
    assert.equal((await registry.send('DELETE', `/v2/ghcr.io/acme/tool/manifests/${image.root.digest}`)).status, 202);
    assert.equal((await registry.send('GET', '/v2/ghcr.io/acme/tool/manifests/1')).status, 404);
  });

  it('can be built upon: a blob of it need not be pushed', async () => {
    await using registry = await serve();
    await importImage(registry.services, 'ghcr.io/acme/app:1', image);
    assert.equal((await putManifest(registry.send, 'ghcr.io/acme/app', root, '2')).status, 201);
    const base = randomBlob(10, 'new');
    assert.equal((await pushBlob(registry.send, 'ghcr.io/acme/app', base)).status, 201);
  });
});
