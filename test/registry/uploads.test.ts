import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe as group, it } from 'node:test';
import { describe } from '../../src/spec/descriptor.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { randomBlob, randomBytes } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { nothing, pushBlob, type Send, serve, type TestRegistry } from './support.ts';

const blob = randomBlob(3000, 'an upload');
const { digest } = blob.descriptor;
const uploads = '/v2/app/blobs/uploads/';

async function start(send: Send): Promise<string> {
  const { status, headers } = await send('POST', uploads);
  assert.equal(status, 202);
  return headers.location ?? '';
}

function chunk(from: number, to: number): { headers: Record<string, string>; body: Uint8Array } {
  return { headers: { 'Content-Range': `${from}-${to - 1}` }, body: blob.bytes.subarray(from, to) };
}

async function isThere(registry: TestRegistry): Promise<boolean> {
  return (await registry.send('HEAD', `/v2/app/blobs/${digest}`)).status === 200;
}

group('a blob is uploaded', () => {
  it('with one request', async () => {
    await using registry = await serve();
    const { status, headers } = await registry.send('POST', `${uploads}?digest=${digest}`, { body: blob.bytes });
    assert.equal(status, 201);
    assert.equal(headers.location, `/v2/app/blobs/${digest}`);
    assert.equal(headers['docker-content-digest'], digest);
    assert.deepEqual((await registry.send('GET', headers.location ?? '')).body, Buffer.from(blob.bytes));
  });

  it('with two requests, and the first says how to go on', async () => {
    await using registry = await serve();
    const { status, headers } = await registry.send('POST', uploads);
    assert.equal(status, 202);
    assert.match(headers.location ?? '', /^\/v2\/app\/blobs\/uploads\/[0-9a-f-]{36}$/);
    assert.equal(headers['range'], '0-0');
    assert.ok(headers.location?.endsWith(`/${headers['docker-upload-uuid']}`));
    const end = await registry.send('PUT', `${headers.location}?digest=${encodeURIComponent(digest)}`, {
      body: blob.bytes,
    });
    assert.equal(end.status, 201);
    assert.ok(await isThere(registry));
  });

  it('in chunks, in order, with an empty end', async () => {
    await using registry = await serve();
    let location = await start(registry.send);
    for (const [from, to] of [
      [0, 1000],
      [1000, 2500],
      [2500, 3000],
    ] as const) {
      const { status, headers } = await registry.send('PATCH', location, chunk(from, to));
      assert.equal(status, 202);
      assert.equal(headers['range'], `0-${to - 1}`);
      location = headers.location ?? '';
    }
    const { status } = await registry.send('PUT', `${location}?digest=${digest}`);
    assert.equal(status, 201);
    assert.ok(await isThere(registry));
  });

  it('in chunks of which the last comes with the end', async () => {
    await using registry = await serve();
    const location = await start(registry.send);
    await registry.send('PATCH', location, chunk(0, 2000));
    assert.equal((await registry.send('PUT', `${location}?digest=${digest}`, chunk(2000, 3000))).status, 201);
    assert.ok(await isThere(registry));
  });

  it('as a stream without a length', async () => {
    await using registry = await serve();
    const location = await start(registry.send);
    const streamed = await stream(registry, location);
    assert.equal(streamed.status, 202);
    assert.equal(streamed.headers.get('range'), '0-2999');
    assert.equal((await registry.send('PUT', `${location}?digest=${digest}`)).status, 201);
  });

  it('under a digest of any supported algorithm', async () => {
    await using registry = await serve();
    for (const algorithm of ['sha512', 'sha384', 'blake3'] as const) {
      const other = digestOf(blob.bytes, algorithm);
      const { headers } = await registry.send('POST', `${uploads}?digest-algorithm=${algorithm}`);
      await registry.send('PATCH', headers.location ?? '', { body: blob.bytes });
      const { status } = await registry.send('PUT', `${headers.location}?digest=${other}`);
      assert.equal(status, 201, algorithm);
      assert.equal((await registry.send('GET', `/v2/app/blobs/${other}`)).headers['docker-content-digest'], other);
    }
  });

  it('a second time without harm', async () => {
    await using registry = await serve();
    assert.equal((await pushBlob(registry.send, 'app', blob)).status, 201);
    assert.equal((await pushBlob(registry.send, 'app', blob)).status, 201);
    assert.equal((await pushBlob(registry.send, 'other', blob)).status, 201);
    assert.equal((await registry.send('GET', `/v2/other/blobs/${digest}`)).status, 200);
  });

  it('of no bytes at all', async () => {
    await using registry = await serve();
    const empty = describe('application/octet-stream', new Uint8Array(0));
    const location = await start(registry.send);
    assert.equal((await registry.send('PUT', `${location}?digest=${empty.digest}`)).status, 201);
    const once = await registry.send('POST', `${uploads}?digest=${empty.digest}`, { body: '' });
    assert.equal(once.status, 201);
  });

  it('larger than any buffer', async () => {
    await using registry = await serve();
    const large = randomBlob(5_000_001, 'large');
    assert.equal((await pushBlob(registry.send, 'app', large)).status, 201);
    const { body } = await registry.send('GET', `/v2/app/blobs/${large.descriptor.digest}`);
    assert.ok(body.equals(large.bytes));
  });

  it('with the least chunk announced that the registry was told', async () => {
    await using registry = await serve({ chunkMinLength: 4096 });
    const { headers } = await registry.send('POST', uploads);
    assert.equal(headers['oci-chunk-min-length'], '4096');
  });
});

group('a chunk out of order', () => {
  for (const method of ['PATCH', 'PUT']) {
    it(`by ${method} is refused, and the upload goes on from where it is`, async () => {
      await using registry = await serve();
      const location = await start(registry.send);
      await registry.send('PATCH', location, chunk(0, 1000));
      const wrong = await registry.send(method, `${location}?digest=${digest}`, chunk(2000, 3000));
      assert.equal(wrong.status, 416);
      assert.equal(wrong.headers['range'], '0-999');
      assert.equal(wrong.headers.location, location);
      const status = await registry.send('GET', location);
      assert.equal(status.status, 204);
      assert.equal(status.headers['range'], '0-999');
      assert.equal(status.headers.location, location);
      await registry.send('PATCH', location, chunk(1000, 3000));
      assert.equal((await registry.send('PUT', `${location}?digest=${digest}`)).status, 201);
    });
  }

  it('that was sent already is refused as well', async () => {
    await using registry = await serve();
    const location = await start(registry.send);
    await registry.send('PATCH', location, chunk(0, 1000));
    assert.equal((await registry.send('PATCH', location, chunk(0, 1000))).status, 416);
  });
});

group('a malformed chunk', () => {
  for (const [range, status, code] of [
    ['0-9', 400, 'SIZE_INVALID'],
    ['0-99999', 400, 'SIZE_INVALID'],
    ['9-0', 400, 'RANGE_INVALID'],
    ['-', 400, 'RANGE_INVALID'],
    ['bytes', 400, 'RANGE_INVALID'],
    ['0-99999999999999999999', 400, 'RANGE_INVALID'],
  ] as const) {
    it(`with the range ${range} changes nothing`, async () => {
      await using registry = await serve();
      const location = await start(registry.send);
      const wrong = await registry.send('PATCH', location, { headers: { 'Content-Range': range }, body: blob.bytes });
      assert.equal(wrong.status, status);
      assert.equal(wrong.code, code);
      assert.equal((await registry.send('GET', location)).headers['range'], '0-0');
      assert.equal((await registry.send('PUT', `${location}?digest=${digest}`, chunk(0, 3000))).status, 201);
    });
  }

  it('in the form of other ranges is understood', async () => {
    await using registry = await serve();
    const location = await start(registry.send);
    const headers = { 'Content-Range': 'bytes 0-2999/*' };
    assert.equal((await registry.send('PATCH', location, { headers, body: blob.bytes })).status, 202);
  });
});

group('content with another digest', () => {
  const wrong = randomBytes(3000, 'something else');

  it('is refused in every form of an upload and leaves nothing', async () => {
    await using registry = await serve();
    const once = await registry.send('POST', `${uploads}?digest=${digest}`, { body: wrong });
    assert.equal(once.status, 400);
    assert.equal(once.code, 'DIGEST_INVALID');
    const whole = await registry.send('PUT', `${await start(registry.send)}?digest=${digest}`, { body: wrong });
    assert.equal(whole.status, 400);
    const location = await start(registry.send);
    await registry.send('PATCH', location, { body: wrong });
    assert.equal((await registry.send('PUT', `${location}?digest=${digest}`)).status, 400);
    assert.equal((await registry.send('GET', location)).status, 404, 'the session is over');
    assert.equal(await isThere(registry), false);
    for await (const status of registry.services.content.statuses()) assert.fail(`${status.ref} was left`);
  });

  it('is refused when the store has the blob from somewhere else, and gives no right to it', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'other', blob);
    for (const body of [wrong, '']) {
      const { status } = await registry.send('PUT', `${await start(registry.send)}?digest=${digest}`, { body });
      assert.equal(status, 400);
    }
    assert.equal(await isThere(registry), false);
  });

  it('or without any digest is a bad request, and the upload stays', async () => {
    await using registry = await serve();
    const location = await start(registry.send);
    for (const query of ['', '?digest=', '?digest=sha256:zz', '?digest=md5:00']) {
      const { status, code } = await registry.send('PUT', `${location}${query}`, { body: blob.bytes });
      assert.equal(status, 400);
      assert.equal(code, 'DIGEST_INVALID');
    }
    assert.equal((await registry.send('GET', location)).status, 204);
  });

  it('and an algorithm that nobody has is a bad request', async () => {
    await using registry = await serve();
    assert.equal((await registry.send('POST', `${uploads}?digest-algorithm=md5`)).status, 400);
    assert.equal((await registry.send('POST', `${uploads}?digest=md5:${'0'.repeat(32)}`)).status, 400);
  });
});

group('an upload', () => {
  it('is an ingest of the store, with its bytes, until it is cancelled', async () => {
    await using registry = await serve();
    const location = await start(registry.send);
    await registry.send('PATCH', location, chunk(0, 1000));
    const [status] = await Array.fromAsync(registry.services.content.statuses());
    assert.match(status?.ref ?? '', /^upload\/localhost\/app\/[0-9a-f-]{36}$/);
    assert.equal(status?.offset, 1000);
    assert.equal((await registry.send('DELETE', location)).status, 204);
    assert.deepEqual(await Array.fromAsync(registry.services.content.statuses()), []);
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const gone = await registry.send(method, `${location}?digest=${digest}`);
      assert.equal(gone.status, 404, method);
      assert.equal(gone.code, 'BLOB_UPLOAD_UNKNOWN');
    }
  });

  it('belongs to its repository', async () => {
    await using registry = await serve();
    const location = await start(registry.send);
    const foreign = location.replace('/app/', '/other/');
    assert.equal((await registry.send('GET', foreign)).status, 404);
    assert.equal((await registry.send('PATCH', foreign, { body: 'x' })).status, 404);
  });

  it('goes on after the registry was closed and started again', async () => {
    await using directory = await temporaryDirectory();
    const root = directory.join('store');
    let location = '';
    {
      await using registry = await serve({ root });
      location = await start(registry.send);
      await registry.send('PATCH', location, chunk(0, 1000));
    }
    await using registry = await serve({ root });
    const { status, headers } = await registry.send('GET', location);
    assert.equal(status, 204);
    assert.equal(headers['range'], '0-999');
    await registry.send('PATCH', location, chunk(1000, 3000));
    assert.equal((await registry.send('PUT', `${location}?digest=${digest}`)).status, 201);
    assert.ok(await isThere(registry));
  });

  it('keeps what came before its connection broke', async () => {
    await using registry = await serve();
    const location = await start(registry.send);
    const socket = await begin(registry, 'PATCH', location);
    socket.end(blob.bytes.subarray(0, 1234));
    await registry.recorded(({ method }) => method === 'PATCH');
    assert.equal((await registry.send('GET', location)).headers['range'], '0-1233');
    await registry.send('PATCH', location, chunk(1234, 3000));
    assert.equal((await registry.send('PUT', `${location}?digest=${digest}`)).status, 201);
  });

  it('is taken over by the request that comes last', async () => {
    await using registry = await serve();
    const location = await start(registry.send);
    const lost = await begin(registry, 'PATCH', location);
    const closed = once(lost, 'close');
    lost.write(blob.bytes.subarray(0, 1000));
    // The registry cannot know that nothing more will come; how much of it has arrived is told by the answer.
    let next = await registry.send('PATCH', location, chunk(1000, 3000));
    if (next.status === 416) {
      assert.equal(next.headers['range'], '0-0');
      next = await registry.send('PATCH', location, chunk(0, 3000));
    }
    assert.equal(next.status, 202);
    await closed;
    assert.equal((await registry.send('PUT', `${location}?digest=${digest}`)).status, 201);
  });

  it('is not kept when it was one request that broke off', async () => {
    await using registry = await serve();
    const socket = await begin(registry, 'POST', `${uploads}?digest=${digest}`);
    socket.end(blob.bytes.subarray(0, 1000));
    await registry.recorded(({ method, status }) => method === 'POST' && status === 499);
    assert.deepEqual(await Array.fromAsync(registry.services.content.statuses()), []);
  });

  it('of more bytes than a blob may have is refused before they come, and while they do', async () => {
    await using registry = await serve({ blobLimit: 2000 });
    const announced = await registry.send('PUT', `${await start(registry.send)}?digest=${digest}`, {
      body: blob.bytes,
    });
    assert.equal(announced.status, 413);
    const location = await start(registry.send);
    assert.equal((await registry.send('PATCH', location, chunk(0, 1500))).status, 202);
    assert.equal((await registry.send('PATCH', location, chunk(1500, 3000))).status, 413);
    const streamed = await stream(registry, location);
    assert.equal(streamed.status, 413);
  });

  it('goes on among more of them than are kept open', async () => {
    await using registry = await serve();
    const locations = await Promise.all(Array.from({ length: 300 }, () => start(registry.send)));
    await Promise.all(locations.map((location) => registry.send('PATCH', location, chunk(0, 1000))));
    const ends = await Promise.all(
      locations.map((location) => registry.send('PUT', `${location}?digest=${digest}`, chunk(1000, 3000))),
    );
    assert.deepEqual([...new Set(ends.map(({ status }) => status))], [201]);
  });

  it('that nobody has started is unknown', async () => {
    await using registry = await serve();
    for (const id of ['00000000-0000-4000-8000-000000000000', 'x', '..', '%2e%2e', 'a'.repeat(300)]) {
      const { status } = await registry.send('GET', `${uploads}${id}`);
      assert.equal(status, 404, id);
    }
    assert.equal((await registry.send('GET', `/v2/app/blobs/${nothing}`)).status, 404);
  });
});

/** Sends the blob without saying how long it is. */
async function stream(registry: TestRegistry, location: string): Promise<Response> {
  const body = new Blob([blob.bytes]).stream();
  return await fetch(new URL(location, registry.url), { method: 'PATCH', body, duplex: 'half' } as RequestInit);
}

/** Begins to send the blob as one request, and waits until the registry reads its body. */
async function begin(registry: TestRegistry, method: string, path: string): Promise<Socket> {
  const { hostname, port } = new URL(registry.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000\r\nExpect: 100-continue\r\n\r\n`;
  socket.write(head);
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1.1 100 /);
  return socket;
}
