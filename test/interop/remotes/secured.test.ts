import assert from 'node:assert/strict';
import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { passwordCredentials } from '../../../src/remotes/docker/credentials.ts';
import type { RegistryEvent } from '../../../src/remotes/docker/events.ts';
import { fails } from '../../../src/testing/content-store/expectations.ts';
import { randomBlob, randomImage } from '../../../src/testing/random.ts';
import { type TestCertificate, testAuthority } from '../../support/certificates.ts';
import { type DockerRegistry, dockerRegistry } from '../../support/docker-registry.ts';
import { freePort, type Listening, listening } from '../../support/loopback.ts';
import { type Running, start, succeed } from '../../support/processes.ts';
import { bytesOf, openerOf, pushAll, quickClient, requestsOf } from '../../support/registry-client.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary.ts';
import { unlessInstalled } from '../../support/tools.ts';

const image = randomImage({ seed: 'secured', layers: [1000, 12_000_000], platforms: ['linux/amd64', 'linux/arm64'] });

/** Certificates of a host in docker's layout. */
async function certificatesOf(
  directory: TemporaryDirectory,
  host: string,
  authority: string,
  own?: TestCertificate,
): Promise<string> {
  const place = directory.join('certs.d', host);
  await mkdir(place, { recursive: true });
  await writeFile(`${place}/ca.crt`, authority);
  if (own !== undefined) await writeFile(`${place}/client.cert`, own.certificate);
  if (own !== undefined) await writeFile(`${place}/client.key`, own.key);
  return directory.join('certs.d');
}

describe('docker-registry with a certificate of a private authority', {
  skip: unlessInstalled('docker-registry', 'skopeo', 'openssl'),
}, () => {
  it('is pushed to and pulled from by whoever knows the authority, and skopeo reads what was pushed', async () => {
    await using directory = await temporaryDirectory();
    const authority = await testAuthority(directory);
    const tls = await authority.issue('localhost', 'localhost', '127.0.0.1');
    const http = `  tls:\n    certificate: ${tls.certificatePath}\n    key: ${tls.keyPath}\n`;
    await using registry = await dockerRegistry(directory, { http });
    const certificates = await certificatesOf(directory, registry.host, authority.certificate);
    const name = `${registry.host}/team/app`;
    await using client = quickClient({ certificateDirectories: [certificates] });
    await pushAll(await client.pusher(`${name}:1@${image.root.digest}`), image);
    assert.deepEqual((await client.resolve(`${name}:1`)).target, image.root);
    const copy = [
      'copy',
      '--all',
      '--src-cert-dir',
      `${certificates}/${registry.host}`,
      `docker://${name}:1`,
      `dir:${directory.join('copy')}`,
    ];
    await succeed('skopeo', copy);
    await using stranger = quickClient();
    await fails(stranger.resolve(`${name}:1`), 'unavailable', /authority/);
  });
});

async function nginx(directory: TemporaryDirectory, port: number, server: string): Promise<Running> {
  const file = directory.join('nginx.conf');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory.join(name)};`,
  );
  await writeFile(
    file,
    `daemon off; master_process off; pid ${directory.join('nginx.pid')}; error_log stderr notice; events { worker_connections 256; }
http { access_log off; ${paths.join(' ')} server { listen 127.0.0.1:${port} ssl; ${server} } }`,
  );
  const running = start('nginx', ['-p', directory.path, '-c', file]);
  await running.printed(/getrlimit/);
  return running;
}

describe('docker-registry behind nginx', { skip: unlessInstalled('docker-registry', 'nginx', 'openssl') }, () => {
  it('is reached with a certificate of ours, through a limit on bodies and wrong locations', async () => {
    await using directory = await temporaryDirectory();
    const authority = await testAuthority(directory);
    const tls = await authority.issue('localhost', 'localhost', '127.0.0.1');
    const own = await authority.issue('client');
    await using registry = await dockerRegistry(directory);
    const port = await freePort();
    await using _proxy = await nginx(
      directory,
      port,
      `ssl_certificate ${tls.certificatePath}; ssl_certificate_key ${tls.keyPath};
ssl_client_certificate ${authority.certificatePath}; ssl_verify_client on; client_max_body_size 5m;
location / { proxy_pass http://${registry.host}; proxy_set_header Host $http_host; }`,
    );
    const host = `127.0.0.1:${port}`;
    const certificates = await certificatesOf(directory, host, authority.certificate, own);
    const events: RegistryEvent[] = [];
    const onEvent = (event: RegistryEvent): void => void events.push(event);
    await using client = quickClient({ certificateDirectories: [certificates], chunkSize: 4_000_000, onEvent });
    await pushAll(await client.pusher(`${host}/team/app:1@${image.root.digest}`), image);
    assert.ok(requestsOf(events).includes('PUT 413'));
    assert.ok(requestsOf(events).includes('PATCH 202'));
    const fetcher = await client.fetcher(`${host}/team/app:1`);
    for (const { descriptor, bytes } of image.blobs) {
      assert.deepEqual(await bytesOf(await fetcher.fetch(descriptor, { offset: 10 })), Buffer.from(bytes.subarray(10)));
    }
    const authorityOnly = await certificatesOf(directory, `${host}/nobody/${host}`, authority.certificate);
    await using stranger = quickClient({ certificateDirectories: [`${authorityOnly}/${host}/nobody`] });
    await assert.rejects(
      stranger.resolve(`${host}/team/app:1`),
      (error) => error instanceof Error && /400/.test(error.message),
    );
  });
});

/** A token server as docker-registry wants one: its tokens are signed with a certificate that the registry knows. */
async function tokenServer(
  certificate: TestCertificate,
  users: Readonly<Record<string, string>>,
  lifetime: () => number,
): Promise<{ realm: string; scopes: string[][] } & AsyncDisposable> {
  const scopes: string[][] = [];
  const key = createPrivateKey(certificate.key);
  const x5c = [new X509Certificate(certificate.certificate).raw.toString('base64')];
  const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const server = createHttpServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://localhost');
    const [user = '', password] = Buffer.from((request.headers.authorization ?? '').slice(6), 'base64')
      .toString()
      .split(':');
    if (users[user] === undefined || users[user] !== password)
      return void response.writeHead(401).end('{"details":"who are you?"}');
    scopes.push(searchParams.getAll('scope'));
    const access = searchParams.getAll('scope').map((scope) => {
      const [type, name, actions = ''] = scope.split(':');
      return { type, name, actions: actions.split(',') };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: 'test',
      sub: user,
      aud: 'registry',
      nbf: now - 5,
      iat: now,
      exp: now + lifetime(),
      jti: randomUUID(),
      access,
    };
    const content = `${encode({ typ: 'JWT', alg: 'ES256', x5c })}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
    response.end(JSON.stringify({ token: `${content}.${signature}`, expires_in: 300 }));
  });
  const { host, ...listener } = await listening(server);
  return { realm: `http://${host}/token`, scopes, ...listener };
}

describe('docker-registry with tokens', { skip: unlessInstalled('docker-registry', 'openssl') }, () => {
  it('is asked with one token for a push and one for a pull, and with new ones when they have expired', async () => {
    await using directory = await temporaryDirectory();
    const certificate = await testAuthority(directory, 'tokens');
    let lifetime = 300;
    await using tokens = await tokenServer(certificate, { bot: 'secret' }, () => lifetime);
    const { realm, scopes } = tokens;
    const config = `auth:\n  token:\n    realm: ${realm}\n    service: registry\n    issuer: test\n    rootcertbundle: ${certificate.certificatePath}\n`;
    await using registry = await dockerRegistry(directory, { config });
    const name = `${registry.host}/team/app`;
    const credentials = { get: async () => passwordCredentials('bot', 'secret', 'test') };
    const events: RegistryEvent[] = [];
    const onEvent = (event: RegistryEvent): void => void events.push(event);
    await using client = quickClient({ credentials, onEvent });
    await pushAll(await client.pusher(`${name}:1@${image.root.digest}`), image);
    await client.resolve(`${name}:1`);
    assert.deepEqual(scopes, [['repository:team/app:pull,push']]);
    assert.equal(requestsOf(events).filter((request) => request.endsWith('401')).length, 1);

    scopes.length = 0;
    events.length = 0;
    await using reader = quickClient({ credentials, onEvent });
    await reader.resolve(`${name}:1`);
    assert.deepEqual(scopes, [['repository:team/app:pull']]);
    assert.deepEqual(requestsOf(events), ['HEAD 401', 'GET 200', 'HEAD 200']);

    // Dead on arrival but for the minute that the registry allows clocks to differ; then alive again.
    lifetime = -120;
    await using late = quickClient({ credentials, onEvent });
    await fails(late.resolve(`${name}:1`), 'unauthenticated');
    lifetime = 300;
    await late.resolve(`${name}:1`);

    const blob = randomBlob(100_000, 'mounted');
    await (await client.pusher(`${registry.host}/team/other:1`)).push(blob.descriptor, openerOf(blob.bytes));
    const pusher = await client.pusher(`${name}:1`, { mountFrom: async () => ['team/other'] });
    assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes)), 'mounted');

    await using nobody = quickClient({
      credentials: { get: async () => passwordCredentials('bot', 'wrong', 'test') },
    });
    await fails(
      (await nobody.pusher(`${name}:1`)).push(blob.descriptor, openerOf(blob.bytes)),
      'unauthenticated',
      /who are you/,
    );
    assert.equal(await nobody.verifyLogin(registry.host, passwordCredentials('bot', 'secret')), true);
  });
});

describe('docker-registry as a pull-through mirror', { skip: unlessInstalled('docker-registry') }, () => {
  it('serves pulls, also when the registry behind it is gone, and pushes go to the registry itself', async () => {
    await using directory = await temporaryDirectory();
    const upstream: DockerRegistry = await dockerRegistry(directory);
    await using mirror = await dockerRegistry(directory, { config: `proxy:\n  remoteurl: http://${upstream.host}\n` });
    const hosts = directory.join('hosts');
    await mkdir(`${hosts}/registry.test`, { recursive: true });
    await writeFile(
      `${hosts}/registry.test/hosts.toml`,
      `server = "http://${upstream.host}"\n[host."http://${mirror.host}"]\ncapabilities = ["pull", "resolve"]\n`,
    );
    await using client = quickClient({ hostsDirectory: hosts });
    await pushAll(await client.pusher(`registry.test/team/app:1@${image.root.digest}`), image);
    const pull = async (reference: string): Promise<void> => {
      const fetcher = await client.fetcher(reference);
      for (const { descriptor, bytes } of image.blobs) {
        assert.deepEqual(await bytesOf(await fetcher.fetch(descriptor)), Buffer.from(bytes));
      }
    };
    assert.deepEqual((await client.resolve('registry.test/team/app:1')).target, image.root);
    await pull('registry.test/team/app:1');
    // The mirror keeps what it has sent after it has sent it.
    const kept = (): number => mirror.process.output().split('Adding new scheduler entry').length - 1;
    while (kept() < image.blobs.length) await new Promise((resolve) => setTimeout(resolve, 5));
    await upstream[Symbol.asyncDispose]();
    const layer = image.blobs.find(({ bytes }) => bytes.byteLength === 12_000_000);
    assert.ok(layer);
    assert.deepEqual(
      await bytesOf(await (await client.fetcher('registry.test/team/app:1')).fetch(layer.descriptor)),
      Buffer.from(layer.bytes),
    );
    // A mirror by itself takes nothing.
    const direct = await client.pusher(`${mirror.host}/team/app:2`);
    const blob = randomBlob(10, 'mirror');
    await fails(direct.push(blob.descriptor, openerOf(blob.bytes)), 'not-implemented');
  });
});

/** A wire to `target` that is cut after so many bytes, once for each entry; then it holds. */
async function fragileWire(target: string, cuts: number[]): Promise<Listening> {
  const [host = '', port] = target.split(':');
  const server = createServer((socket: Socket) => {
    const onward = connect(Number(port), host);
    const limit = cuts.shift() ?? Number.POSITIVE_INFINITY;
    let passed = 0;
    const count = (chunk: Buffer): void => {
      passed += chunk.byteLength;
      if (passed <= limit) return;
      socket.resetAndDestroy();
      onward.resetAndDestroy();
    };
    socket.on('data', count);
    onward.on('data', count);
    for (const one of [socket, onward]) one.on('error', () => {});
    socket.pipe(onward).pipe(socket);
  });
  return await listening(server);
}

describe('docker-registry behind a wire that breaks', { skip: unlessInstalled('docker-registry') }, () => {
  it('gets a blob whole, though it forgets what had arrived, and gives it back whole', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await dockerRegistry(directory);
    const cuts = [3_000_000, 100, 7_000_000];
    await using wire = await fragileWire(registry.host, cuts);
    const { host } = wire;
    const blob = randomBlob(12_000_000, 'wire');
    await using client = quickClient();
    assert.equal(
      await (await client.pusher(`${host}/team/app:1`)).push(blob.descriptor, openerOf(blob.bytes)),
      'pushed',
    );
    assert.equal(cuts.length, 0);
    cuts.push(1_000_000, 500, 2_000_000, 4_000_000);
    await using reader = quickClient({ downloads: { parts: 0 } });
    const fetcher = await reader.fetcher(`${host}/team/app:1`);
    assert.deepEqual(await bytesOf(await fetcher.fetch(blob.descriptor)), Buffer.from(blob.bytes));
    assert.deepEqual(cuts, []);
  });
});

describe('docker-registry and tags', { skip: unlessInstalled('docker-registry') }, () => {
  it('loses a tag that is deleted and nothing else', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await dockerRegistry(directory);
    const name = `${registry.host}/team/app`;
    await using client = quickClient();
    await pushAll(await client.pusher(`${name}:1@${image.root.digest}`), image);
    await client.tag(await client.manifest(`${name}:1`), ['2', '3']);
    await client.deleteTag(`${name}:2`);
    assert.deepEqual((await Array.fromAsync(client.tags(name))).sort(), ['1', '3']);
    assert.deepEqual((await client.resolve(`${name}:3`)).target, image.root);
  });
});
