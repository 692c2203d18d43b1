import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import { startTestRegistry } from '../../src/testing/embedded-registry.ts';
import type { Fault } from '../../src/testing/faults.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { pushBlob, pushImage, type Send, send } from './support.ts';

const blob = randomBlob(100_000, 'a fault');
const path = `/v2/app/blobs/${blob.descriptor.digest}`;

function to(url: string): Send {
  return (method, target, options) => send(url, method, target, options);
}

async function faulty(fault: Fault): ReturnType<Send> {
  await using registry = await startTestRegistry();
  await pushBlob(to(registry.url), 'app', blob);
  registry.plan(({ method }) => (method === 'GET' ? fault : undefined));
  return await send(registry.url, 'GET', path);
}

group('the registry for tests', () => {
  it('needs nothing, serves images from memory and remembers its requests', async () => {
    await using registry = await startTestRegistry();
    const image = randomImage({ seed: 'in memory', platforms: ['linux/amd64', 'linux/arm64'] });
    assert.equal((await pushImage(to(registry.url), 'app', image, '1')).status, 201);
    const { body } = await send(registry.url, 'GET', '/v2/app/manifests/1');
    assert.equal(body.byteLength, image.root.size);
    const { status } = await registry.requested(
      ({ method, path: at }) => method === 'GET' && at === '/v2/app/manifests/1',
    );
    assert.equal(status, 200);
    assert.equal((await registry.services.images.get('localhost/app:1')).target.digest, image.root.digest);
  });

  it('gives up waiting for a request with the signal', async () => {
    await using registry = await startTestRegistry();
    const stop = new AbortController();
    const waiting = registry.requested(() => false, stop);
    stop.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
  });

  it('fails on demand, and as often as the plan says', async () => {
    await using registry = await startTestRegistry({
      faults: ({ repeated }) =>
        repeated < 2 ? { status: 503, code: 'UNAVAILABLE', headers: { 'Retry-After': '0' } } : undefined,
    });
    for (const status of [503, 503, 200]) {
      const found = await send(registry.url, 'GET', '/v2/');
      assert.equal(found.status, status);
      if (status === 503) assert.equal(found.headers['retry-after'], '0');
    }
    assert.deepEqual(
      registry.requests.map(({ status }) => status),
      [503, 503, 200],
    );
  });

  it('breaks connections', async () => {
    await assert.rejects(faulty({ reset: true }), /ECONNRESET|hang up/);
  });

  it('cuts answers short', async () => {
    await assert.rejects(faulty({ cutAfter: 1000 }), /aborted/);
    await assert.rejects(faulty({ cutAfter: 0 }), /aborted/);
  });

  it('lies about bytes and headers', async () => {
    const { status, headers, body } = await faulty({
      corruptAt: 70_000,
      headers: { 'Docker-Content-Digest': undefined, ETag: '"x"' },
    });
    assert.equal(status, 200);
    assert.equal(headers['docker-content-digest'], undefined);
    assert.equal(headers.etag, '"x"');
    const wrong = body.findIndex((byte, at) => byte !== blob.bytes[at]);
    assert.equal(wrong, 70_000);
    assert.ok(body.subarray(70_001).equals(blob.bytes.subarray(70_001)));
  });

  it('is slow', async () => {
    const { body } = await faulty({ delay: 20, bytesPerSecond: 1_000_000 });
    assert.ok(body.equals(blob.bytes));
  });
});
