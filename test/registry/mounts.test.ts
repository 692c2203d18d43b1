import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import type { Access, Authentication } from '../../src/registry/index.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { importImage, nothing, pushBlob, type Send, serve } from './support.ts';

const blob = randomBlob(500, 'to mount');
const { digest } = blob.descriptor;

function mount(send: Send, repository: string, query: string, user?: string): ReturnType<Send> {
  const headers = user === undefined ? {} : { Authorization: user };
  return send('POST', `/v2/${repository}/blobs/uploads/?${query}`, { headers });
}

/** Knows users by the header alone: each may do anything in the repositories that its name lists. */
const byName: Authentication = {
  scoped: false,
  identify: async (authorization) => {
    if (authorization === undefined) return undefined;
    const names = authorization.split(' ');
    return { name: authorization, allows: ({ name }: Access) => names.includes(name) };
  },
  challenge: () => 'Basic realm="test"',
};

group('a blob is mounted', () => {
  it('from the repository that is named', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'source', blob);
    const { status, headers } = await mount(registry.send, 'app', `mount=${digest}&from=source`);
    assert.equal(status, 201);
    assert.equal(headers.location, `/v2/app/blobs/${digest}`);
    assert.equal(headers['docker-content-digest'], digest);
    const { body } = await registry.send('GET', headers.location ?? '');
    assert.deepEqual(body, Buffer.from(blob.bytes));
  });

  it('from any repository that has it', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'source', blob);
    assert.equal((await mount(registry.send, 'app', `mount=${digest}`)).status, 201);
    await registry.send('DELETE', `/v2/source/blobs/${digest}`);
    assert.equal((await registry.send('GET', `/v2/app/blobs/${digest}`)).status, 200);
  });

  it('from an image that was put into the store by other means', async () => {
    await using registry = await serve();
    const image = randomImage({ seed: 'pulled' });
    await importImage(registry.services, 'docker.io/library/redis:7', image);
    const layer = image.blobs[0]?.descriptor.digest;
    assert.equal((await mount(registry.send, 'app', `mount=${layer}&from=docker.io/library/redis`)).status, 201);
  });
});

group('an upload starts instead', () => {
  for (const [what, query] of [
    ['the repository that is named lacks it', `mount=${digest}&from=elsewhere`],
    ['nobody has it', `mount=${nothing}`],
    ['the name of the repository is none', `mount=${digest}&from=../UP`],
  ] as const) {
    it(`when ${what}`, async () => {
      await using registry = await serve();
      await pushBlob(registry.send, 'source', blob);
      const { status, headers } = await mount(registry.send, 'app', query);
      assert.equal(status, 202);
      const end = await registry.send('PUT', `${headers.location}?digest=${digest}`, { body: blob.bytes });
      assert.equal(end.status, 201);
    });
  }

  it('when the client may not read the source, named or not, as if nobody had the blob', async () => {
    await using registry = await serve({ authentication: byName });
    const headers = { Authorization: 'secret' };
    const { headers: at } = await registry.send('POST', '/v2/secret/blobs/uploads/', { headers });
    await registry.send('PUT', `${at.location}?digest=${digest}`, { headers, body: blob.bytes });
    for (const query of [
      `mount=${digest}&from=secret`,
      `mount=${digest}`,
      `mount=${nothing}&from=secret`,
      `mount=${nothing}`,
    ]) {
      assert.equal((await mount(registry.send, 'mine', query, 'mine')).status, 202, query);
    }
    const looked = await registry.send('HEAD', `/v2/mine/blobs/${digest}`, { headers: { Authorization: 'mine' } });
    assert.equal(looked.status, 404);
    assert.equal((await mount(registry.send, 'mine', `mount=${digest}&from=secret`, 'mine secret')).status, 201);
  });
});

it('a mount of something that is no digest is a bad request', async () => {
  await using registry = await serve();
  assert.equal((await mount(registry.send, 'app', 'mount=latest')).status, 400);
});

it('a mounted blob is kept for the manifest that is to come', async () => {
  await using registry = await serve();
  await pushBlob(registry.send, 'source', blob);
  await mount(registry.send, 'app', `mount=${digest}&from=source`);
  await registry.send('DELETE', `/v2/source/blobs/${digest}`);
  await registry.store.collect();
  assert.equal((await registry.send('GET', `/v2/app/blobs/${digest}`)).status, 200);
});
