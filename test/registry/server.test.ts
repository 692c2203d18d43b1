import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { describe as group, it } from 'node:test';
import { Agent, fetch as undiciFetch } from 'undici';
import { openBytes } from '../../src/content/bytes.ts';
import { pusherOf } from '../../src/content/copy.ts';
import { formatRequest, type RegistryOptions, startRegistry } from '../../src/registry/index.ts';
import { describe } from '../../src/spec/descriptor.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { succeed } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';
import { nothing, pushBlob, pushImage, type Send, send, serve } from './support.ts';

const image = randomImage({ seed: 'served', layers: [10] });

/** Sends bytes as they are; returns all that comes back until the connection ends or `until` has come. */
async function raw(url: string, bytes: string, until: RegExp = /\r\n\r\n/): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(bytes);
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    if (until.test(text)) break;
  }
  return text;
}

group('a request', () => {
  it('whether this is a registry is answered with what old clients look for', async () => {
    await using registry = await serve();
    for (const path of ['/v2/', '/v2']) {
      const { status, headers } = await registry.send('GET', path);
      assert.equal(status, 200);
      assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
    }
  });

  it('for another host than this one is turned away', async () => {
    await using registry = await serve({ hosts: ['registry.test', 'other.test:5000'] });
    for (const [host, status] of [
      ['localhost', 200],
      ['localhost:1234', 200],
      ['127.0.0.1', 200],
      ['[::1]:5000', 200],
      ['registry.test:5000', 200],
      ['REGISTRY.test', 200],
      ['other.test', 200],
      ['other.test:5000', 200],
      ['dray.localhost', 200],
      ['evil.example', 421],
      ['evil.example:5000', 421],
      ['localhost.evil.example', 421],
      ['127.0.0.1.evil.example', 421],
    ] as const) {
      assert.equal((await registry.send('GET', '/v2/', { headers: { Host: host } })).status, status, host);
    }
  });

  it('for two hosts is a bad request', async () => {
    await using registry = await serve();
    const text = await raw(registry.url, 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n');
    assert.match(text, /^HTTP\/1\.1 400 /);
  });

  it('from a page of another site changes nothing', async () => {
    await using registry = await serve();
    const Host = 'localhost:5000';
    for (const Origin of ['https://evil.example', 'http://localhost:80', 'null', '']) {
      const { status } = await registry.send('POST', '/v2/app/blobs/uploads/', { headers: { Host, Origin } });
      assert.equal(status, 403, Origin);
    }
    const own = { Host, Origin: 'http://localhost:5000' };
    assert.equal((await registry.send('POST', '/v2/app/blobs/uploads/', { headers: own })).status, 202);
  });

  it('gets no permission for pages of other sites to read the answer', async () => {
    await using registry = await serve();
    const headers = { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'PUT' };
    for (const method of ['OPTIONS', 'GET']) {
      const found = await registry.send(method, '/v2/', { headers });
      assert.deepEqual(
        Object.keys(found.headers).filter((name) => name.startsWith('access-control')),
        [],
      );
      assert.equal(found.status, method === 'GET' ? 200 : 403);
    }
  });

  it('for a page that somebody put into an image gets one in which nothing runs', async () => {
    await using registry = await serve();
    const { content, images } = registry.services;
    const page = Buffer.from('<script>fetch("/v2/app/blobs/uploads/", { method: "POST" })</script>');
    const target = describe('text/html', page);
    await pusherOf(content).push(target, openBytes(page));
    await images.create({ name: 'ghcr.io/acme/page:1', target });
    for (const path of [
      'ghcr.io/acme/page/manifests/1',
      `ghcr.io/acme/page/blobs/${target.digest}`,
      '',
      'a/tags/list',
    ]) {
      const { headers } = await registry.send('GET', `/v2/${path}`);
      assert.equal(headers['content-security-policy'], "default-src 'none'; sandbox", path);
      assert.equal(headers['x-content-type-options'], 'nosniff', path);
    }
  });

  it('by a method that means nothing is told which do', async () => {
    await using registry = await serve();
    for (const [method, path, allow] of [
      ['POST', '/v2/', 'GET, HEAD'],
      ['DELETE', '/v2/_catalog', 'GET, HEAD'],
      ['PUT', '/v2/app/tags/list', 'GET, HEAD'],
      ['PATCH', '/v2/app/manifests/x', 'GET, HEAD, PUT, DELETE'],
      ['PUT', `/v2/app/blobs/${nothing}`, 'GET, HEAD, DELETE'],
      ['GET', '/v2/app/blobs/uploads/', 'POST'],
      ['POST', `/v2/app/referrers/${nothing}`, 'GET, HEAD'],
      ['PROPFIND', '/v2/', 'GET, HEAD'],
      ['OPTIONS', '/v2/', 'GET, HEAD'],
    ] as const) {
      const { status, headers, code } = await registry.send(method, path);
      assert.equal(status, 405, method);
      assert.equal(headers.allow, allow);
      assert.equal(code, 'UNSUPPORTED');
    }
  });

  for (const path of [
    '/v2/../../etc/passwd',
    '/v2/app/../../../etc/passwd',
    '/v2/app/blobs/../../../../etc/passwd',
    '/v2/%2e%2e/manifests/x',
    '/v2/..%2f..%2fetc/manifests/passwd',
    '/v2/app/manifests/..',
    '/v2/app/manifests/%2e%2e',
    '/v2/app/blobs/sha256:..%2f..%2f..%2fetc%2fpasswd',
    '/v2/app/blobs/uploads/..',
    '/v2/app/blobs/uploads/..%2f..%2fx',
    '/v2/_uploads/manifests/x',
    '/v2/app%00/manifests/x',
    '/v2/APP/manifests/x',
    `/v2/${'a'.repeat(300)}/manifests/x`,
    `/v2/${'a/'.repeat(200)}manifests/x`,
    '/v2/app/manifests/',
    '/v2//manifests/x',
    '/v2/app/blobs/',
    '\\v2\\app',
  ]) {
    it(`for ${path.slice(0, 50)} reaches no file`, async () => {
      await using registry = await serve();
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const { status, body } = await registry.send(method, path);
        assert.ok([400, 404, 405].includes(status), `${method} ${status}`);
        assert.doesNotMatch(body.toString(), /root:/);
      }
      assert.deepEqual(await Array.fromAsync(registry.services.content.walk()), []);
      assert.deepEqual(await Array.fromAsync(registry.services.content.statuses()), []);
    });
  }

  it('in the form for proxies, or with a head that is no HTTP, is a bad request', async () => {
    await using registry = await serve();
    const lines = [
      'GET http://localhost/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'nonsense\r\n\r\n',
      'GET /v2/ HTTP/1.1\r\n\r\n',
      'GET /v2/ HTTP/1.0\r\n\r\n',
      `GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
      'POST /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      'PUT /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n',
    ];
    for (const line of lines) assert.match(await raw(registry.url, line), /^HTTP\/1\.1 4\d\d /, line.slice(0, 60));
    assert.equal((await registry.send('GET', '/v2/')).status, 200);
  });

  it('that fails inside is answered without a word about the inside', async () => {
    const services = memoryServices();
    services.content.info = () => Promise.reject(new Error('cannot open /home/somebody/secret'));
    await using registry = await serve({ services });
    const { status, body, code } = await registry.send('GET', `/v2/app/blobs/${nothing}`);
    assert.equal(status, 500);
    assert.equal(code, 'UNKNOWN');
    assert.doesNotMatch(body.toString(), /home/);
    assert.match(registry.records.at(-1)?.error ?? '', /home/, 'the log has it');
  });
});

group('a body that stands still', () => {
  for (const [what, head] of [
    [
      'of a blob',
      (location: string) => `PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc`,
    ],
    ['of a manifest', () => 'PUT /v2/app/manifests/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{'],
    [
      'of a length that is not told',
      (location: string) =>
        `PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
    ],
  ] as const) {
    it(`${what} ends, and what came of it stays`, async () => {
      await using registry = await serve({ stall: 200 });
      const { headers } = await registry.send('POST', '/v2/app/blobs/uploads/');
      await raw(registry.url, head(headers.location ?? ''), /$^/);
      const record = await registry.recorded(({ error }) => error !== undefined);
      assert.match(record.error ?? '', /nothing of the body came/);
      if (record.method === 'PATCH')
        assert.equal((await registry.send('GET', headers.location ?? '')).headers['range'], '0-2');
    });
  }
});

it('a client that stops reading loses its connection', async () => {
  await using patient = await serve();
  const large = randomBlob(20_000_000, 'unread');
  await pushBlob(patient.send, 'app', large);
  await using registry = await serve({ root: patient.root, stall: 200 });
  const { hostname, port } = new URL(registry.url);
  const socket = connect(Number(port), hostname);
  socket.pause();
  socket.on('error', () => {});
  socket.write(`GET /v2/app/blobs/${large.descriptor.digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const { sent, error } = await registry.recorded(({ method }) => method === 'GET');
  assert.ok(sent < 20_000_000);
  assert.match(error ?? '', /did not read \d+ bytes in 0\.2 seconds/);
  socket.destroy();
});

it('an answer that refuses a body comes before the body is sent', async () => {
  await using registry = await serve({ manifestLimit: 1000 });
  const head =
    'PUT /v2/app/manifests/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n';
  assert.match(await raw(registry.url, head), /^HTTP\/1\.1 413 /);
});

it('an answer reaches a client that reads nothing before it has sent all', async () => {
  await using registry = await serve({ manifestLimit: 1000 });
  const socket = connect(Number(new URL(registry.url).port), '127.0.0.1').pause();
  const piece = Buffer.alloc(1_000_000, ' ');
  socket.write(
    `PUT /v2/app/manifests/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${8 * piece.byteLength}\r\n\r\n`,
  );
  for (let sent = 0; sent < 8; sent += 1) if (!socket.write(piece)) await once(socket, 'drain');
  assert.match((await Array.fromAsync(socket)).join(''), /^HTTP\/1\.1 413 /);
});

group('a read-only registry', () => {
  it('gives, and takes nothing by any route', async () => {
    await using writable = await serve();
    await pushImage(writable.send, 'app', image, '1');
    const { headers } = await writable.send('POST', '/v2/app/blobs/uploads/');
    const layer = image.blobs[0]?.descriptor.digest;
    await using registry = await serve({ root: writable.root, readOnly: true });
    for (const path of [
      '/v2/',
      '/v2/_catalog',
      '/v2/app/manifests/1',
      `/v2/app/blobs/${layer}`,
      '/v2/app/tags/list',
      `/v2/app/referrers/${nothing}`,
    ]) {
      for (const method of ['GET', 'HEAD']) assert.equal((await registry.send(method, path)).status, 200, path);
    }
    for (const [method, path] of [
      ['POST', '/v2/app/blobs/uploads/'],
      ['POST', `/v2/app/blobs/uploads/?digest=${nothing}`],
      ['POST', `/v2/other/blobs/uploads/?mount=${layer}&from=app`],
      ['PATCH', headers.location],
      ['PUT', `${headers.location}?digest=${nothing}`],
      ['GET', headers.location],
      ['DELETE', headers.location],
      ['PUT', '/v2/app/manifests/2'],
      ['DELETE', '/v2/app/manifests/1'],
      ['DELETE', `/v2/app/manifests/${image.root.digest}`],
      ['DELETE', `/v2/app/blobs/${layer}`],
    ] as const) {
      const { status, code } = await registry.send(method, path ?? '');
      assert.equal(status, 405, `${method} ${path}`);
      assert.equal(code, 'UNSUPPORTED');
    }
    assert.equal((await registry.send('GET', '/v2/app/manifests/1')).status, 200);
  });
});

group('an address', () => {
  it('that others can reach needs authentication, or a word that everybody may', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org']) {
      await assert.rejects(serve({ host }), { kind: 'failed-precondition' }, host);
    }
    await using registry = await serve({ host: '0.0.0.0', allowEverybody: true });
    assert.equal(
      (
        await send(`http://127.0.0.1:${new URL(registry.url).port}`, 'GET', '/v2/', {
          headers: { Host: 'any.example' },
        })
      ).status,
      200,
    );
  });

  it('that is taken is said so', async () => {
    await using registry = await serve();
    await assert.rejects(serve({ port: Number(new URL(registry.url).port) }), {
      kind: 'unavailable',
      message: /already/,
    });
  });

  it('of IPv6 gives a URL that works', async () => {
    await using registry = await serve({ host: '::1' });
    assert.match(registry.url, /^http:\/\/\[::1\]:\d+$/);
    assert.equal((await registry.send('GET', '/v2/')).status, 200);
  });
});

group('a unix socket', { skip: process.platform === 'win32' ? 'not on Windows' : false }, () => {
  async function overSocket(path: string): Promise<number> {
    await using agent = disposable(new Agent({ connect: { socketPath: path } }));
    return (await undiciFetch('http://registry.test/v2/', { dispatcher: agent.value })).status;
  }

  it('is a listener that only its owner can use, under any name', async () => {
    await using directory = await temporaryDirectory();
    const path = directory.join('dray.sock');
    {
      await using registry = await serve({ socketPath: path });
      assert.equal(registry.url, `http+unix://${encodeURIComponent(path)}`);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(await overSocket(path), 200);
    }
    assert.equal(existsSync(path), false);
  });

  it('that a killed server left behind is taken over, and one in use is not', async () => {
    await using directory = await temporaryDirectory();
    const path = directory.join('dray.sock');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await assert.rejects(succeed(process.execPath, ['-e', script]));
    assert.ok(existsSync(path));
    await using registry = await serve({ socketPath: path });
    assert.equal(await overSocket(path), 200);
    await assert.rejects(serve({ socketPath: path }), { kind: 'unavailable' });
    assert.equal(await overSocket(registry.address), 200);
  });

  it('is never made of a file that is none', async () => {
    await using directory = await temporaryDirectory();
    const path = directory.join('precious');
    const { writeFile } = await import('node:fs/promises');
    await writeFile(path, 'precious');
    await assert.rejects(serve({ socketPath: path }));
    assert.equal(await readFile(path, 'utf8'), 'precious');
  });
});

function disposable(value: Agent): { value: Agent } & AsyncDisposable {
  return { value, [Symbol.asyncDispose]: () => value.close() };
}

group('TLS', { skip: unlessInstalled('openssl') }, () => {
  async function certificate(directory: string): Promise<{ certificate: string; key: string }> {
    const [key, cert] = [`${directory}/key.pem`, `${directory}/cert.pem`];
    const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    await succeed('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      key,
      '-out',
      cert,
      ...name,
    ]);
    return { certificate: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
  }

  it('is spoken with the given certificate', async () => {
    await using directory = await temporaryDirectory();
    const tls = await certificate(directory.path);
    await using registry = await serve({ tls });
    assert.match(registry.url, /^https:/);
    await using trusting = disposable(new Agent({ connect: { ca: tls.certificate } }));
    assert.equal((await undiciFetch(`${registry.url}/v2/`, { dispatcher: trusting.value })).status, 200);
    await using strange = disposable(new Agent());
    await assert.rejects(undiciFetch(`${registry.url}/v2/`, { dispatcher: strange.value }));
  });

  it('asks clients for a certificate when there are authorities for them', async () => {
    await using directory = await temporaryDirectory();
    const tls = await certificate(directory.path);
    await using registry = await serve({ tls: { ...tls, clientAuthorities: tls.certificate } });
    await using known = disposable(
      new Agent({ connect: { ca: tls.certificate, cert: tls.certificate, key: tls.key } }),
    );
    assert.equal((await undiciFetch(`${registry.url}/v2/`, { dispatcher: known.value })).status, 200);
    await using unknown = disposable(new Agent({ connect: { ca: tls.certificate } }));
    await assert.rejects(undiciFetch(`${registry.url}/v2/`, { dispatcher: unknown.value }));
  });

  it('with a certificate that is none is refused at the start', async () => {
    await assert.rejects(serve({ tls: { certificate: 'x', key: 'y' } }), { kind: 'invalid-argument' });
    await using directory = await temporaryDirectory();
    const tls = { ...(await certificate(directory.path)), clientAuthorities: 'x' };
    await assert.rejects(serve({ tls }), { kind: 'invalid-argument', message: /authorities/ });
  });
});

group('closing', () => {
  it('waits for a download that is under way', async () => {
    const large = randomBlob(8_000_000, 'closing');
    const registry = await serve({ shutdown: 10_000 });
    await pushBlob(registry.send, 'app', large);
    const { hostname, port } = new URL(registry.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET /v2/app/blobs/${large.descriptor.digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const [first] = await once(socket, 'data');
    const closed = registry[Symbol.asyncDispose]();
    let size = (first as Buffer).byteLength;
    for await (const chunk of socket) size += (chunk as Buffer).byteLength;
    await closed;
    assert.ok(size > 8_000_000);
  });

  it('ends an upload that does not end by itself, and keeps what it has', async () => {
    await using directory = await temporaryDirectory();
    const root = directory.join('store');
    let location = '';
    {
      await using registry = await serve({ root, shutdown: 50 });
      location = (await registry.send('POST', '/v2/app/blobs/uploads/')).headers.location ?? '';
      const { hostname, port } = new URL(registry.url);
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      socket.write(
        `PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`,
      );
      await once(socket, 'data');
      await new Promise<void>((resolve) => {
        socket.write('0123456789', () => resolve());
      });
      // Whatever has arrived by then has to stay.
      await registry.send('GET', '/v2/');
    }
    await using registry = await serve({ root });
    const { status, headers } = await registry.send('GET', location);
    assert.equal(status, 204);
    assert.equal(headers['range'], '0-9');
  });

  it('can be done twice, and nothing answers afterwards', async () => {
    const registry = await startRegistry({ services: memoryServices() });
    await registry[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await assert.rejects(send(registry.url, 'GET', '/v2/'), /ECONNREFUSED/);
  });

  it('frees its port even when the start of something else fails', async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as { port: number };
    await assert.rejects(startRegistry({ services: memoryServices(), port }), { kind: 'unavailable' });
    free.close();
    await once(free, 'close');
    await using _ = await startRegistry({ services: memoryServices(), port });
  });
});

group('the log', () => {
  it('has one line for each request, with what it moved', async () => {
    await using registry = await serve();
    const blob = randomBlob(1234, 'logged');
    await pushBlob(registry.send, 'app', blob);
    const { headers } = await registry.send('GET', `/v2/app/blobs/${blob.descriptor.digest}`);
    const get = await registry.recorded(({ route }) => route === 'blob');
    const put = await registry.recorded(({ route }) => route === 'upload');
    assert.deepEqual(registry.records.map(({ route }) => route).sort(), ['blob', 'upload', 'uploads']);
    assert.equal(put.received, 1234);
    assert.equal(get.sent, 1234);
    assert.equal(get.id, headers['x-request-id']);
    assert.match(
      formatRequest(get),
      /^\d{4}-\S+Z GET \/v2\/app\/blobs\/sha256:\w+ 200 1234B [\d.]+ms id=\S+ user=- remote=127.0.0.1$/,
    );
  });

  it('says why something went wrong', async () => {
    const cause = new Error('the line 3 is wrong');
    const intercept = (): Promise<boolean> => Promise.reject(new Error('nobody is known', { cause }));
    await using registry = await serve({ intercept });
    const { body } = await registry.send('GET', '/v2/');
    assert.doesNotMatch(body.toString(), /line 3/);
    assert.equal((await registry.recorded(() => true)).error, 'nobody is known: the line 3 is wrong');
  });

  it('names the client also when it has closed the connection', async () => {
    await using registry = await serve();
    const socket = connect(Number(new URL(registry.url).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`POST /v2/app/blobs/uploads/?digest=${image.root.digest} HTTP/1.1\r\nHost: localhost\r\n`);
    socket.write('Content-Length: 10\r\n\r\nabc', () => socket.destroy());
    assert.equal((await registry.recorded(({ route }) => route === 'uploads')).remote, '127.0.0.1');
  });

  it('cannot be given lines by a client', () => {
    const record = {
      id: 'a-1',
      time: 0,
      method: 'GET',
      path: '/v2/\n2026 forged\x1b[2J',
      route: 'unknown',
      status: 404,
      received: 0,
      sent: 0,
      milliseconds: 1,
      user: 'ä\r',
      remote: '',
    };
    assert.equal(
      formatRequest(record),
      '1970-01-01T00:00:00.000Z GET /v2/%0A2026 forged%1B[2J 404 0B 1.0ms id=a-1 user=%C3%A4%0D remote=-',
    );
  });
});

group('the metrics', () => {
  async function metrics(get: Send): Promise<string> {
    const { status, headers, body } = await get('GET', '/metrics');
    assert.equal(status, 200);
    assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
    return body.toString();
  }

  it('count requests by what they mean, not by what clients write', async () => {
    await using registry = await serve({ metricsPath: '/metrics' });
    await pushBlob(registry.send, 'app', randomBlob(1000, 'counted'));
    for (const name of ['a', 'b', 'c']) await registry.send('GET', `/v2/${name}/manifests/x`);
    await registry.send('PROPFIND', '/v2/');
    const text = await metrics(registry.send);
    assert.match(text, /^dray_registry_requests_total\{method="GET",route="manifest",status="404"\} 3$/m);
    assert.match(text, /^dray_registry_requests_total\{method="other",route="ping",status="405"\} 1$/m);
    assert.match(text, /^dray_registry_received_bytes_total 1000$/m);
    assert.match(text, /^dray_registry_request_seconds_count\{route="manifest"\} 3$/m);
    for (const line of text.trim().split('\n'))
      assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? [\d.e+-]+)$/);
  });

  it('are nowhere unless a path was given', async () => {
    await using registry = await serve();
    assert.equal((await registry.send('GET', '/metrics')).status, 404);
  });
});

it('every answer to a failure is an error document', async () => {
  const options: Partial<RegistryOptions> = { readOnly: true };
  await using registry = await serve(options);
  for (const path of ['/', '/v2/app/manifests/x', '/v2/app/tags/list', '/v2/x/blobs/y', `/v2/app/blobs/${nothing}`]) {
    const { headers, body } = await registry.send('GET', path);
    assert.equal(headers['content-type'], 'application/json');
    const { errors } = JSON.parse(body.toString()) as { errors: { code: string; message: string }[] };
    assert.match(errors[0]?.code ?? '', /^[A-Z_]+$/);
    assert.ok((errors[0]?.message ?? '').length > 0);
  }
});

it('requests that are sent ahead are answered in turn, and very many of them end the connection', async () => {
  await using registry = await serve();
  const request = (path: string): string => `GET /v2/${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const few = Array.from({ length: 10 }, (_, n) => request(`r${n}/tags/list`)).join('');
  const text = await raw(registry.url, few, /repository r9 /);
  assert.deepEqual(
    [...text.matchAll(/repository (r\d) does not exist/g)].map(([, name]) => name),
    Array.from({ length: 10 }, (_, n) => `r${n}`),
  );
  const { hostname, port } = new URL(registry.url);
  const greedy = connect(Number(port), hostname);
  greedy.on('error', () => {}).resume();
  greedy.write(request('').repeat(1500));
  await once(greedy, 'close');
  assert.equal((await registry.send('GET', '/v2/')).status, 200);
  assert.ok(registry.records.length < 100, `${registry.records.length} requests were begun`);
});

const open: Socket[] = [];
it('more connections than allowed are turned away, and others go on', async () => {
  await using registry = await serve({ connections: 3 });
  const { hostname, port } = new URL(registry.url);
  for (let count = 0; count < 2; count += 1) {
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    open.push(socket);
  }
  assert.equal((await registry.send('GET', '/v2/')).status, 200);
  const surplus = connect(Number(port), hostname);
  surplus.on('error', () => {});
  await once(surplus, 'close');
  assert.equal((await registry.send('GET', '/v2/')).status, 200);
  for (const socket of open) socket.destroy();
});
