import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { writeBlob } from '../../src/content/copy.ts';
import { MemoryStore } from '../../src/content/memory/memory-store.ts';
import { because, DrayError, is } from '../../src/errors.ts';
import type { RegistryEvent } from '../../src/remotes/docker/events.ts';
import type { RegistryClientOptions } from '../../src/remotes/docker/registry-client.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { type Quirks, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { bytesOf, quickClient } from '../support/registry-client.ts';

const blob = randomBlob(300_000, 'download');
const { descriptor, bytes } = blob;

interface Scene {
  readonly registry: ScriptedRegistry;
  /** Where the registry redirects its blobs to, when a test makes it. */
  readonly cdn: ScriptedRegistry;
  readonly name: string;
  readonly events: readonly RegistryEvent[];
  fetch(offset?: number): Promise<Buffer>;
}

async function scene(
  quirks: Quirks,
  test: (scene: Scene) => Promise<void>,
  options: RegistryClientOptions = {},
): Promise<void> {
  await using registry = await ScriptedRegistry.start({ quirks });
  await using cdn = await ScriptedRegistry.start();
  for (const one of [registry, cdn]) one.repository('team/app').addBlob(bytes);
  const events: RegistryEvent[] = [];
  await using client = quickClient({ onEvent: (event) => events.push(event), ...options });
  const name = `${registry.host}/team/app:1`;
  const fetcher = await client.fetcher(name);
  const fetch = async (offset?: number): Promise<Buffer> => bytesOf(await fetcher.fetch(descriptor, { offset }));
  await test({ registry, cdn, name, events, fetch });
}

const whole = Buffer.from(bytes);
const rest = whole.subarray(100_000);

describe('fetching a blob', () => {
  it('takes one GET without a range', async () => {
    await scene({}, async ({ registry, fetch }) => {
      assert.deepEqual(await fetch(), whole);
      assert.deepEqual(registry.log(), [`GET /v2/team/app/blobs/${descriptor.digest} 200`]);
      assert.equal(registry.requests[0]?.headers['range'], undefined);
      assert.equal(registry.requests[0]?.headers['accept-encoding'], 'identity');
    });
  });

  it('goes on at an offset with a range, and asks for nothing when nothing is missing', async () => {
    await scene({}, async ({ registry, fetch }) => {
      assert.deepEqual(await fetch(100_000), rest);
      assert.equal(registry.requests[0]?.headers['range'], 'bytes=100000-');
      assert.equal(registry.requests[0]?.sent, 200_000);
      assert.deepEqual(await fetch(300_000), Buffer.of());
      assert.equal(registry.requests.length, 1);
    });
  });

  const poorRanges: readonly (readonly [string, Quirks])[] = [
    ['that ignores ranges, as old versions of zot do', { ranges: 'ignored' }],
    ['that sends another part', { ranges: 'shifted' }],
    ['that says it sends another part', { ranges: 'mislabelled' }],
    ['that refuses ranges', { ranges: 'refused' }],
    ['that has another blob in mind', { ranges: 'of-another' }],
  ];
  for (const [what, quirks] of poorRanges) {
    it(`gets the right bytes from a registry ${what}, and asks it for no range again`, async () => {
      await scene(quirks, async ({ registry, fetch }) => {
        assert.deepEqual(await fetch(100_000), rest);
        const before = registry.requests.length;
        assert.deepEqual(await fetch(200_000), whole.subarray(200_000));
        assert.equal(registry.requests.length, before + 1);
        assert.equal(registry.requests.at(-1)?.headers['range'], undefined);
      });
    });
  }

  it('goes on where a connection was reset', async () => {
    await scene({}, async ({ registry, fetch }) => {
      registry.script({ on: 'GET *', times: 3, resetAfter: 65_536 });
      assert.deepEqual(await fetch(), whole);
      assert.equal(registry.requests.length, 4);
      const wanted = registry.requests.slice(1).map(({ headers }) => headers['range']);
      assert.ok(wanted.every((range) => /^bytes=[1-9]\d+-$/.test(String(range))));
    });
  });

  it('goes on where a body ended early', async () => {
    await scene({}, async ({ registry, fetch }) => {
      registry.script({ on: 'GET *', times: 2, truncateAfter: 50_000 });
      assert.deepEqual(await fetch(), whole);
      assert.deepEqual(
        registry.requests.map(({ headers }) => headers['range']),
        [undefined, 'bytes=50000-', 'bytes=100000-'],
      );
    });
  });

  it('goes on where nothing came any more', async () => {
    await scene(
      {},
      async ({ registry, fetch }) => {
        registry.script({ on: 'GET *', times: 1, stallAfter: 100_000 });
        assert.deepEqual(await fetch(), whole);
        assert.deepEqual(
          registry.requests.map(({ headers }) => headers['range']),
          [undefined, 'bytes=100000-'],
        );
      },
      { timeouts: { stall: 100 } },
    );
  });

  it('takes a body that comes byte by byte for one that has stopped', async () => {
    await scene(
      {},
      async ({ registry, fetch }) => {
        registry.script({ on: 'GET *', times: 1, rate: 100 });
        assert.deepEqual(await fetch(), whole);
        assert.equal(registry.requests.length, 2);
      },
      { timeouts: { stall: 200 } },
    );
  });

  it('gives up after some attempts without progress, and says where', async () => {
    await scene({}, async ({ registry, fetch }) => {
      registry.script({ on: 'GET *', resetAfter: 0 });
      await assert.rejects(fetch(), (error) => is(error, 'unavailable') && error.context.registry === registry.host);
      assert.ok(registry.requests.length <= 30, `${registry.requests.length} requests`);
    });
  });

  it('waits as long as a busy registry says, in seconds, dates and odd units, and then goes on', async () => {
    for (const value of ['0', new Date(0).toUTCString(), '880µs', 'soon', '-1', '']) {
      await scene({}, async ({ registry, fetch }) => {
        const headers = value === '' ? {} : { 'retry-after': Buffer.from(value).toString('latin1') };
        registry.script({ on: 'GET *', times: 2, answer: { status: 429, headers, body: 'retry-after: 880µs' } });
        assert.deepEqual(await fetch(), whole, value);
        assert.equal(registry.requests.length, 3);
      });
    }
  });

  it('does not wait longer than it may', async () => {
    await scene({}, async ({ registry, fetch }) => {
      registry.script({ on: 'GET *', answer: { status: 429, headers: { 'retry-after': '3600' } } });
      await assert.rejects(
        fetch(),
        (error) =>
          is(error, 'resource-exhausted') &&
          because(error, 'rate-limited') &&
          /3600 seconds/.test(String(error.context.hint)),
      );
      assert.equal(registry.requests.length, 1);
    });
  });

  it('tries again what a gateway answers', async () => {
    for (const status of [408, 500, 502, 503, 504, 522]) {
      await scene({}, async ({ registry, fetch }) => {
        registry.script({ on: 'GET *', times: 2, answer: { status, body: '<html>' } });
        assert.deepEqual(await fetch(), whole);
      });
    }
  });

  it('tries again what is not HTTP, such as headers that end without carriage returns', async () => {
    await scene({}, async ({ registry, fetch }) => {
      registry.script({ on: 'GET *', times: 1, raw: 'HTTP/1.1 429 Too Many Requests\nRetry-After: 0\n\nslow down' });
      registry.script({ on: 'GET *', times: 1, raw: 'garbage' });
      assert.deepEqual(await fetch(), whole);
    });
  });

  it('tries again after an unasked 100 Continue', async () => {
    await scene({}, async ({ registry, fetch }) => {
      registry.script({ on: 'GET *', times: 1, raw: 'HTTP/1.1 100 Continue\r\n\r\n' });
      assert.deepEqual(await fetch(), whole);
    });
  });

  it('passes over early hints', async () => {
    await scene({}, async ({ registry, fetch }) => {
      const head = `HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n`;
      registry.script({ on: 'GET *', raw: head });
      await fails(fetch(), 'not-found');
    });
  });

  it('does not start to read a body of another length', async () => {
    for (const extraBytes of [-1, 1]) {
      await scene({ extraBytes }, async ({ registry, fetch }) => {
        await fails(fetch(), 'data-loss', 'size-mismatch');
        assert.equal(registry.requests.length, 1);
      });
    }
  });

  it('stops an endless body at the first byte too many', async () => {
    await scene({}, async ({ registry, fetch }) => {
      const chunk = `20000\r\n${'x'.repeat(0x20000)}\r\n`;
      registry.script({ on: 'GET *', raw: `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(20)}` });
      await fails(fetch(), 'size-mismatch');
    });
  });

  it('says that something else came in place of a blob, and does not ask for ever', async () => {
    for (const status of [201, 202, 203, 204, 206]) {
      await scene({}, async ({ registry, fetch }) => {
        registry.script({ on: 'GET *', answer: { status } });
        for (const offset of [0, 100_000]) {
          await assert.rejects(
            fetch(offset),
            (error) => is(error, 'unavailable') && new RegExp(`answered ${status} instead`).test(error.message),
          );
        }
        assert.ok(registry.requests.length <= 3, `${registry.requests.length} requests`);
      });
    }
  });

  it('says that a page came in place of a blob', async () => {
    await scene({}, async ({ registry, fetch }) => {
      registry.script({
        on: 'GET *',
        answer: { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<html>Are you human?' },
      });
      await fails(fetch(), 'unavailable', /page/);
    });
  });

  it('takes the bytes as they are when they are only called encoded, and refuses encoded ones', async () => {
    await scene({ contentEncoding: 'gzip' }, async ({ registry, fetch }) => {
      assert.deepEqual(await fetch(), whole);
      registry.script({ on: 'GET *', answer: { status: 200, headers: { 'content-encoding': 'br' }, body: 'short' } });
      await fails(fetch(), 'size-mismatch', /"br"/);
    });
  });

  it('trusts no HEAD: what is not there is not there, as in Artifactory', async () => {
    await scene({ headBlobLies: true }, async ({ registry, fetch }) => {
      registry.repository('team/app').blobs.clear();
      await fails(fetch(), 'not-found');
    });
  });

  it('ends with the signal, in the middle of a body as well', async () => {
    await scene({}, async ({ registry, name }) => {
      await using client = quickClient();
      registry.script({ on: 'GET *', stallAfter: 1000 });
      const controller = new AbortController();
      const stream = await (await client.fetcher(name)).fetch(descriptor, { signal: controller.signal });
      const reason = new Error('enough');
      const reading = bytesOf(stream);
      controller.abort(reason);
      await assert.rejects(reading, reason);
    });
  });
});

describe('looking at what a digest names', () => {
  const image = randomImage({ seed: 'looked at', layers: [10] });
  const missing = digestOf(Buffer.from('nobody has it'));

  it('tells a blob from a manifest, and what is not there', async () => {
    await scene({}, async ({ registry, name }) => {
      registry.add('team/app', image);
      await using client = quickClient();
      const { size } = descriptor;
      const expected = { mediaType: mediaTypes.octetStream, digest: descriptor.digest, size };
      assert.deepEqual(await client.stat(name, descriptor.digest), expected);
      assert.deepEqual(await client.stat(name, image.root.digest), image.root);
      await assert.rejects(client.stat(name, missing), (error) => is(error, 'not-found'));
      registry.script({ on: 'HEAD *', headers: { 'content-length': '' } });
      await assert.rejects(client.stat(name, descriptor.digest), /how large/);
    });
  });

  it('asks for one byte where HEAD leads to a URL that is signed for GET', async () => {
    await scene({}, async ({ registry, cdn, name }) => {
      registry.quirks = { redirectBlobs: cdn.origin };
      cdn.quirks = { headBlob: 403 };
      await using client = quickClient();
      assert.equal((await client.stat(name, descriptor.digest)).size, descriptor.size);
      assert.equal(cdn.requests.at(-1)?.headers['range'], 'bytes=0-0');
    });
  });
});

describe('a connection', () => {
  it('is used again, after a HEAD, an error and a body that nobody wanted as well', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', randomImage({ seed: 'connection' }), '1');
    await using client = quickClient();
    for (const tag of ['1', '1', 'none', '1']) await client.resolve(`${registry.host}/team/app:${tag}`).catch(() => {});
    await client.manifest(`${registry.host}/team/app:1`);
    assert.equal(registry.requests.length, 6);
    assert.equal(registry.connections, 1);
  });

  it('is held back while nobody reads', async () => {
    await using registry = await ScriptedRegistry.start();
    const size = 256 * 1024 * 1024;
    registry.repository('team/app').addRandomBlob(descriptor.digest, size, 'held');
    await using client = quickClient();
    const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
    const iterator = (await fetcher.fetch({ ...descriptor, size }))[Symbol.asyncIterator]();
    await iterator.next();
    const [request] = registry.requests;
    for (let before = -1; before !== request?.sent; ) {
      before = request?.sent ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok((request?.sent ?? size) < 64 * 1024 * 1024, `${request?.sent} bytes were sent`);
    await iterator.return?.();
  });
});

describe('fetching from where a registry sends us', () => {
  it('follows to another server, with the range and without what is meant for the registry', async () => {
    await scene({}, async ({ registry, cdn, fetch }) => {
      registry.quirks = { redirectBlobs: cdn.origin };
      assert.deepEqual(await fetch(100_000), rest);
      assert.equal(cdn.requests[0]?.headers['range'], 'bytes=100000-');
      assert.equal(cdn.requests[0]?.headers['authorization'], undefined);
    });
  });

  it('follows several hops, of every kind', async () => {
    for (const redirectStatus of [301, 302, 303, 307, 308]) {
      await scene({}, async ({ registry, cdn, fetch }) => {
        registry.quirks = { redirectBlobs: `${registry.origin}/hop`, redirectStatus };
        registry.script({
          on: 'GET /hop/*',
          answer: {
            status: redirectStatus,
            headers: { location: `${cdn.origin}/v2/team/app/blobs/${descriptor.digest}` },
          },
        });
        assert.deepEqual(await fetch(), whole);
      });
    }
  });

  it('goes on there directly after a break, without asking the registry again', async () => {
    await scene({}, async ({ registry, cdn, fetch }) => {
      registry.quirks = { redirectBlobs: cdn.origin };
      cdn.script({ on: 'GET *', times: 2, truncateAfter: 100_000 });
      assert.deepEqual(await fetch(), whole);
      assert.equal(registry.requests.length, 1);
      assert.equal(cdn.requests.length, 3);
    });
  });

  it('asks the registry again when the permission to read there has run out', async () => {
    for (const status of [400, 401, 403, 404, 410]) {
      await scene({}, async ({ registry, cdn, fetch }) => {
        registry.quirks = { redirectBlobs: cdn.origin };
        cdn.script({ on: 'GET *', times: 1, truncateAfter: 100_000 });
        cdn.script({ on: 'GET *', times: 1, answer: { status, body: '<Error><Code>ExpiredToken</Code></Error>' } });
        assert.deepEqual(await fetch(), whole);
        assert.equal(registry.requests.length, 2);
        assert.equal(registry.requests[1]?.headers['range'], 'bytes=100000-');
      });
    }
  });

  it('says so when it is turned away there every time', async () => {
    await scene({}, async ({ registry, cdn, fetch }) => {
      registry.quirks = { redirectBlobs: cdn.origin };
      cdn.script({ on: 'GET *', answer: { status: 403, body: '<Error/>' } });
      await assert.rejects(fetch(), (error) => is(error, 'permission-denied') && error.context.registry === cdn.host);
      assert.ok(registry.requests.length <= 3);
    });
  });

  it('ends a redirect without end', async () => {
    await scene({}, async ({ registry, fetch }) => {
      registry.quirks = { redirectBlobs: `${registry.origin}/loop` };
      registry.script({ on: 'GET /loop/*', answer: { status: 307, headers: { location: '/loop/again' } } });
      await fails(fetch(), 'permission-denied', 'policy');
      assert.ok(registry.requests.length <= 12);
    });
  });
});

describe('fetching over several connections', () => {
  const large = randomBlob(2_000_000, 'large');
  const eager = { downloads: { parts: 3, partSize: 200_000, patience: 0, enough: Number.POSITIVE_INFINITY } };

  async function fetchLarge(
    test: (registry: ScriptedRegistry, cdn: ScriptedRegistry, fetch: () => Promise<Buffer>) => Promise<void>,
  ): Promise<void> {
    await scene(
      {},
      async ({ registry, cdn, name }) => {
        for (const one of [registry, cdn]) one.repository('team/app').addBlob(large.bytes);
        await using client = quickClient(eager);
        const fetcher = await client.fetcher(name);
        await test(registry, cdn, async () => bytesOf(await fetcher.fetch(large.descriptor)));
      },
      {},
    );
  }

  it('fetches the next parts of a slow blob meanwhile, each byte once but for what the first had sent on', async () => {
    await fetchLarge(async (registry, _cdn, fetch) => {
      registry.script({ on: 'GET *', rate: 20_000_000 });
      assert.deepEqual(await fetch(), Buffer.from(large.bytes));
      const ranges = registry.requests.slice(1).map(({ headers }) => String(headers['range']));
      assert.ok(ranges.length > 2, ranges.join());
      assert.ok(
        ranges.every((range) => /^bytes=\d+-\d+$/.test(range)),
        ranges.join(),
      );
      assert.equal(new Set(ranges).size, ranges.length);
    });
  });

  it('goes straight to the server that the registry sends us to', async () => {
    await fetchLarge(async (registry, cdn, fetch) => {
      registry.quirks = { redirectBlobs: cdn.origin };
      cdn.script({ on: 'GET *', rate: 20_000_000 });
      assert.deepEqual(await fetch(), Buffer.from(large.bytes));
      assert.equal(registry.requests.length, 1);
      assert.ok(cdn.requests.length > 3);
    });
  });

  it('loses nothing when parts break off or the permission runs out', async () => {
    await fetchLarge(async (registry, cdn, fetch) => {
      registry.quirks = { redirectBlobs: cdn.origin };
      cdn.script({ on: 'GET *', after: 2, times: 2, resetAfter: 70_000 });
      cdn.script({ on: 'GET *', after: 5, times: 2, answer: { status: 403 } });
      cdn.script({ on: 'GET *', rate: 20_000_000 });
      assert.deepEqual(await fetch(), Buffer.from(large.bytes));
    });
  });

  it('goes back to one stream when ranges stop working', async () => {
    await fetchLarge(async (registry, _cdn, fetch) => {
      registry.script({ on: 'GET *', times: 1, rate: 20_000_000 });
      registry.script({
        on: 'GET *',
        times: 1,
        answer: { status: 206, headers: { 'content-range': 'bytes 0-1/2' }, body: 'xx' },
      });
      assert.deepEqual(await fetch(), Buffer.from(large.bytes));
    });
  });

  it('gives each byte once where more is sent than was asked for', async () => {
    await fetchLarge(async (registry, _cdn, fetch) => {
      registry.quirks = { ranges: 'to-the-end' };
      registry.script({ on: 'GET *', times: 1, rate: 20_000_000 });
      assert.deepEqual(await fetch(), Buffer.from(large.bytes));
    });
  });

  it('stays with the one stream where ranges are not known', async () => {
    for (const ranges of ['ignored', 'refused'] as const) {
      await scene({ ranges }, async ({ registry, name }) => {
        registry.repository('team/app').addBlob(large.bytes);
        registry.script({ on: 'GET *', times: 1, rate: 3_000_000 });
        await using client = quickClient({ downloads: { ...eager.downloads, partSize: large.bytes.byteLength / 2 } });
        const fetcher = await client.fetcher(name);
        assert.deepEqual(await bytesOf(await fetcher.fetch(large.descriptor)), Buffer.from(large.bytes));
        assert.equal(registry.requests[0]?.sent, large.bytes.byteLength);
        assert.ok(registry.requests.length <= 4, registry.log().join());
      });
    }
  });

  it('asks for one range at a time, never for several in one request', async () => {
    await fetchLarge(async (registry, _cdn, fetch) => {
      registry.script({ on: 'GET *', rate: 40_000_000 });
      await fetch();
      assert.ok(registry.requests.every(({ headers }) => !String(headers['range'] ?? '').includes(',')));
    });
  });
});

describe('wrong bytes', () => {
  it('are asked for once more past caches, as a stale pull-through cache needs it', async () => {
    await scene({ staleCache: true }, async ({ registry, name }) => {
      const store = new MemoryStore();
      await using client = quickClient();
      const fetcher = await client.fetcher(name);
      const open = async function* (offset = 0, hint: object = {}): AsyncGenerator<Uint8Array> {
        yield* await fetcher.fetch(descriptor, { offset, ...hint });
      };
      assert.equal(await writeBlob(store, 'blob', descriptor, open), 'pushed');
      assert.deepEqual(
        registry.requests.map(({ headers }) => headers['cache-control']),
        [undefined, 'no-cache'],
      );
    });
  });

  it('are never kept: the store gets the blob under its digest or not at all', async () => {
    await scene({}, async ({ registry, name }) => {
      registry.script({ on: 'GET *', corruptAt: 1234 });
      const store = new MemoryStore();
      await using client = quickClient();
      const fetcher = await client.fetcher(name);
      const open = async function* (offset = 0): AsyncGenerator<Uint8Array> {
        yield* await fetcher.fetch(descriptor, { offset });
      };
      await fails(writeBlob(store, 'blob', descriptor, open), 'digest-mismatch');
      await fails(store.info(descriptor.digest), 'not-found');
      assert.equal(registry.requests.length, 2);
    });
  });
});

describe('layers with URLs of their own', () => {
  it('are fetched from there when the registry does not have them', async () => {
    await scene({}, async ({ registry, cdn, name }) => {
      registry.repository('team/app').blobs.clear();
      await using client = quickClient();
      const urls = [`${registry.origin}/nothing`, `${cdn.origin}/v2/team/app/blobs/${descriptor.digest}`];
      const foreign = { ...descriptor, mediaType: mediaTypes.ociForeignLayerGzip, urls };
      assert.deepEqual(await bytesOf(await (await client.fetcher(name)).fetch(foreign, { offset: 100_000 })), rest);
    });
  });

  it('say what the registry said when nobody has them', async () => {
    await scene({}, async ({ registry, cdn, name }) => {
      registry.repository('team/app').blobs.clear();
      await using client = quickClient();
      const foreign = { ...descriptor, urls: [`${cdn.origin}/nothing`] };
      await fails((await client.fetcher(name)).fetch(foreign), 'not-found');
    });
  });
});

describe('a whole pull', () => {
  it('of an image with n blobs takes n + 2 requests', async () => {
    await using registry = await ScriptedRegistry.start();
    const image = randomImage({ seed: 'pull', layers: [10, 20, 30, 40] });
    registry.add('team/app', image, '1');
    await using client = quickClient();
    const { name, target } = await client.resolve(`${registry.host}/team/app:1`);
    const fetcher = await client.fetcher(name);
    for (const one of image.blobs) {
      assert.equal(digestOf(await bytesOf(await fetcher.fetch(one.descriptor))), one.descriptor.digest);
    }
    assert.equal(target.digest, image.root.digest);
    assert.equal(registry.requests.length, 5 + 2);
  });

  it('of a digest that is malformed asks nobody', async () => {
    await using registry = await ScriptedRegistry.start();
    await using client = quickClient();
    const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
    for (const digest of [
      'sha256:../../x',
      'sha256:',
      `sha256:${'A'.repeat(64)}`,
      `sha256:${'a'.repeat(63)}`,
      `sha512:${'a'.repeat(64)}`,
      'a:b',
      'sha256:\0',
      `sha256:${'é'.repeat(64)}`,
    ]) {
      await assert.rejects(
        fetcher.fetch({ ...descriptor, digest: digest as `${string}:${string}` }),
        (error) => error instanceof DrayError && is(error, 'invalid-argument'),
        digest,
      );
    }
    assert.equal(registry.requests.length, 0);
  });
});
