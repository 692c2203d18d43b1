import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import { randomBlob } from '../../src/testing/random.ts';
import { nothing, pushBlob, serve } from './support.ts';

const blob = randomBlob(2048, 'a blob');
const { digest } = blob.descriptor;
const path = `/v2/app/blobs/${digest}`;

group('a blob', () => {
  it('comes with its length, its digest and its bytes', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'app', blob);
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await registry.send(method, path);
      assert.equal(status, 200);
      assert.equal(headers['content-length'], '2048');
      assert.equal(headers['docker-content-digest'], digest);
      assert.equal(headers['accept-ranges'], 'bytes');
      assert.equal(headers['content-type'], 'application/octet-stream');
      assert.deepEqual(body, method === 'GET' ? Buffer.from(blob.bytes) : Buffer.alloc(0));
    }
  });

  it('is not there for another repository', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'app', blob);
    const { status, code } = await registry.send('GET', `/v2/other/blobs/${digest}`);
    assert.equal(status, 404);
    assert.equal(code, 'BLOB_UNKNOWN');
    assert.equal((await registry.send('HEAD', `/v2/other/blobs/${digest}`)).status, 404);
  });

  it('looks the same to a repository that lacks it whether another has it or nobody', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'app', blob);
    const there = await registry.send('GET', `/v2/other/blobs/${digest}`);
    const nowhere = await registry.send('GET', `/v2/other/blobs/${nothing}`);
    assert.equal(there.body.toString().replaceAll(digest, nothing), nowhere.body.toString());
    assert.deepEqual(
      { ...there.headers, date: '', 'x-request-id': '' },
      { ...nowhere.headers, date: '', 'x-request-id': '' },
    );
  });

  it('is not sent again to a client that has it', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'app', blob);
    const { headers } = await registry.send('HEAD', path);
    for (const method of ['GET', 'HEAD']) {
      const again = await registry.send(method, path, { headers: { 'If-None-Match': headers.etag ?? '' } });
      assert.equal(again.status, 304);
      assert.equal(again.body.byteLength, 0);
    }
  });

  it('with a digest that is malformed or of an unknown algorithm is a bad request', async () => {
    await using registry = await serve();
    for (const wrong of ['sha256:short', `md5:${'0'.repeat(32)}`, 'latest', `sha256:${'Z'.repeat(64)}`]) {
      const { status, code } = await registry.send('GET', `/v2/app/blobs/${wrong}`);
      assert.equal(status, 400, wrong);
      assert.equal(code, 'DIGEST_INVALID');
    }
  });

  it('is found by a path in which the colon is encoded', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'app', blob);
    assert.equal((await registry.send('GET', path.replace(':', '%3A'))).status, 200);
  });

  it('whose bytes have rotted on disk never arrives whole', async () => {
    await using registry = await serve();
    const large = randomBlob(3_000_000, 'to rot');
    await pushBlob(registry.send, 'app', large);
    const { chmod, open } = await import('node:fs/promises');
    const file = `${registry.root}/content/blobs/${large.descriptor.digest.replace(':', '/')}`;
    await chmod(file, 0o600);
    const handle = await open(file, 'r+');
    await handle.write(Buffer.from([1, 2, 3]), 0, 3, 2_900_000);
    await handle.close();
    for (const headers of [{}, { Range: 'bytes=0-' }, { Range: 'bytes=0-2999999' }])
      await assert.rejects(
        registry.send('GET', `/v2/app/blobs/${large.descriptor.digest}`, { headers }),
        /aborted|reset|hang up/,
      );
    assert.match(registry.records.at(-1)?.error ?? '', /digest/);
  });
});

group('a range of a blob', () => {
  const size = 2048;
  const part = (from: number, to: number): Buffer => Buffer.from(blob.bytes.subarray(from, to + 1));

  for (const [asked, first, last] of [
    ['bytes=500-1499', 500, 1499],
    ['bytes=500-', 500, 2047],
    ['bytes=-500', 1548, 2047],
    ['bytes=2000-5000', 2000, 2047],
    ['bytes=0-0', 0, 0],
    ['bytes=-9999', 0, 2047],
    ['bytes= 7 - 8 ', 7, 8],
  ] as const) {
    it(`${asked} gives the bytes ${first} to ${last}`, async () => {
      await using registry = await serve();
      await pushBlob(registry.send, 'app', blob);
      const { status, headers, body } = await registry.send('GET', path, { headers: { Range: asked } });
      assert.equal(status, 206);
      assert.equal(headers['content-range'], `bytes ${first}-${last}/${size}`);
      assert.equal(headers['content-length'], String(last - first + 1));
      assert.deepEqual(body, part(first, last));
    });
  }

  for (const asked of ['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-', 'bytes=-0']) {
    it(`${asked} is not satisfiable, and the size is told`, async () => {
      await using registry = await serve();
      await pushBlob(registry.send, 'app', blob);
      const { status, headers, code } = await registry.send('GET', path, { headers: { Range: asked } });
      assert.equal(status, 416);
      assert.equal(headers['content-range'], `bytes */${size}`);
      assert.equal(code, 'RANGE_INVALID');
    });
  }

  for (const asked of [
    'lines=1-2',
    'bytes=a-b',
    'bytes=',
    'bytes=1',
    `bytes=${'0-0,'.repeat(40)}0-0`,
    'bytes=0-9,5-15',
  ]) {
    it(`${asked.slice(0, 20)} means nothing, so all of it comes`, async () => {
      await using registry = await serve();
      await pushBlob(registry.send, 'app', blob);
      const { status, body } = await registry.send('GET', path, { headers: { Range: asked } });
      assert.equal(status, 200);
      assert.equal(body.byteLength, size);
    });
  }

  it('several at once come as the parts of one body', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'app', blob);
    const { status, headers, body } = await registry.send('GET', path, { headers: { Range: 'bytes=0-9,100-109,-1' } });
    assert.equal(status, 206);
    const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1];
    assert.equal(headers['content-length'], String(body.byteLength));
    const parts = body.toString('latin1').split(`\r\n--${boundary}`);
    assert.equal(parts.at(-1), '--\r\n');
    const found = parts.slice(1, -1).map((text) => {
      const [head = '', ...rest] = text.split('\r\n\r\n');
      return [/Content-Range: (.+)/.exec(head)?.[1], Buffer.from(rest.join('\r\n\r\n'), 'latin1')];
    });
    assert.deepEqual(found, [
      ['bytes 0-9/2048', part(0, 9)],
      ['bytes 100-109/2048', part(100, 109)],
      ['bytes 2047-2047/2048', part(2047, 2047)],
    ]);
  });

  it('of another version than the client has is all of it', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'app', blob);
    const headers = { Range: 'bytes=0-9', 'If-Range': '"something else"' };
    assert.equal((await registry.send('GET', path, { headers })).status, 200);
    const same = { Range: 'bytes=0-9', 'If-Range': `"${digest}"` };
    assert.equal((await registry.send('GET', path, { headers: same })).status, 206);
  });

  it('of an empty blob does not exist', async () => {
    await using registry = await serve();
    const empty = randomBlob(0, 'empty');
    await pushBlob(registry.send, 'app', empty);
    const at = `/v2/app/blobs/${empty.descriptor.digest}`;
    assert.equal((await registry.send('GET', at, { headers: { Range: 'bytes=0-' } })).status, 416);
    const whole = await registry.send('GET', at);
    assert.equal(whole.status, 200);
    assert.equal(whole.headers['content-length'], '0');
  });
});

group('a deleted blob', () => {
  it('is gone from its repository at once, and stays in others', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'app', blob);
    await pushBlob(registry.send, 'other', blob);
    assert.equal((await registry.send('DELETE', path)).status, 202);
    assert.equal((await registry.send('HEAD', path)).status, 404);
    assert.equal((await registry.send('GET', path)).status, 404);
    assert.equal((await registry.send('DELETE', path)).status, 404);
    assert.equal((await registry.send('GET', `/v2/other/blobs/${digest}`)).status, 200);
  });

  it('leaves the disk with the next collection when nothing else keeps it', async () => {
    await using registry = await serve();
    await pushBlob(registry.send, 'app', blob);
    await registry.store.collect();
    assert.equal((await registry.send('GET', path)).status, 200, 'what was just pushed is kept for its manifest');
    await registry.send('DELETE', path);
    const { content } = await registry.store.collect();
    assert.equal(content, 1);
    await assert.rejects(registry.services.content.info(digest), /no blob/);
  });
});
