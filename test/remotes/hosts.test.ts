import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { writeBlob } from '../../src/content/copy.ts';
import { MemoryStore } from '../../src/content/memory/memory-store.ts';
import { because, is } from '../../src/errors.ts';
import { passwordCredentials, staticCredentials } from '../../src/remotes/docker/credentials.ts';
import { defaultHost } from '../../src/remotes/docker/hosts.ts';
import { findHosts } from '../../src/remotes/docker/hosts-directory.ts';
import { parseHostsToml } from '../../src/remotes/docker/hosts-toml.ts';
import type { RegistryClientOptions } from '../../src/remotes/docker/registry-client.ts';
import type { UploadKey } from '../../src/remotes/docker/upload-sessions.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { testAuthority } from '../support/certificates.ts';
import { freePort } from '../support/loopback.ts';
import { testProxy } from '../support/proxy.ts';
import { bytesOf, openerOf, pushAll, quickClient } from '../support/registry-client.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

const image = randomImage({ seed: 'hosts', layers: [1000] });
const defaults = { plainHttp: false, connection: {} };

async function withFiles(
  files: Readonly<Record<string, string>>,
  test: (directory: TemporaryDirectory) => Promise<void>,
): Promise<void> {
  await using directory = await temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    // Disks of Windows take no colons.
    const path = directory.join(process.platform === 'win32' ? name.replaceAll(':', '') : name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  await test(directory);
}

/** The roots of the hosts of a registry, as one file says. */
async function rootsOf(registry: string, files: Readonly<Record<string, string>>): Promise<string[] | undefined> {
  let roots: string[] | undefined;
  await withFiles(files, async (directory) => {
    const options = { hostsDirectory: directory.path, certificateDirectories: [], defaults };
    roots = (await findHosts(registry, options))?.map(({ root }) => root.href);
  });
  return roots;
}

describe('hosts without configuration', () => {
  const root = (registry: string, plainHttp: boolean = false): string[] => {
    const { root, otherRoot } = defaultHost(registry, { plainHttp, connection: {} });
    return [root.href, ...(otherRoot === undefined ? [] : [otherRoot.href])];
  };

  it('speak https, and Docker Hub is where its registry is', () => {
    assert.deepEqual(root('r.io'), ['https://r.io/v2']);
    assert.deepEqual(root('r.io:5000'), ['https://r.io:5000/v2']);
    assert.deepEqual(root('docker.io'), ['https://registry-1.docker.io/v2']);
    assert.deepEqual(root('[2001:db8::1]:5000'), ['https://[2001:db8::1]:5000/v2']);
    assert.deepEqual(root('10.0.0.1:5000'), ['https://10.0.0.1:5000/v2']);
  });

  it('speak http when they are told to, and on loopback perhaps', () => {
    assert.deepEqual(root('r.io', true), ['http://r.io/v2']);
    assert.deepEqual(root('localhost:5000'), ['http://localhost:5000/v2', 'https://localhost:5000/v2']);
    assert.deepEqual(root('127.0.0.1'), ['https://127.0.0.1/v2', 'http://127.0.0.1/v2']);
    assert.deepEqual(root('[::1]:5000'), ['http://[::1]:5000/v2', 'https://[::1]:5000/v2']);
    assert.deepEqual(root('localhost.example.com:5000'), ['https://localhost.example.com:5000/v2']);
  });

  it('on loopback may speak TLS', { skip: unlessInstalled('openssl') }, async () => {
    await using directory = await temporaryDirectory();
    const tls = await (await testAuthority(directory)).issue('localhost', 'localhost', '127.0.0.1');
    await using registry = await ScriptedRegistry.start({ tls });
    registry.add('team/app', image, '1');
    await using client = quickClient({ insecure: true });
    assert.deepEqual((await client.resolve(`${registry.host}/team/app:1`)).target, image.root);
    await client.resolve(`${registry.host}/team/app:1`);
    assert.equal(registry.requests.length, 2);
  });

  it('that nobody listens at are said to be unreachable, after few attempts', async () => {
    const port = await freePort();
    await using client = quickClient();
    const { context } = await fails(client.resolve(`127.0.0.1:${port}/team/app:1`), 'unavailable');
    assert.equal(context.registry, `127.0.0.1:${port}`);
    assert.ok((context.attempts ?? 9) <= 5);
  });

  it('answer a client on IPv6', async (context) => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    const bridge = createServer((socket) => {
      const [host, port] = registry.host.split(':');
      const onward = import('node:net').then(({ connect }) => connect(Number(port), host));
      void onward.then((other) => socket.pipe(other).pipe(socket));
    });
    const listens = await new Promise<boolean>((resolve) => {
      bridge.on('error', () => resolve(false));
      bridge.listen(0, '::1', () => resolve(true));
    });
    if (!listens) return context.diagnostic('no IPv6 here');
    const { port } = bridge.address() as { port: number };
    await using client = quickClient();
    assert.deepEqual((await client.resolve(`[::1]:${port}/team/app:1`)).target, image.root);
    bridge.close();
  });
});

describe('the hosts directory', () => {
  it('has the mirrors of a registry in the order of the file, and the registry itself at the end', async () => {
    const file = `
server = "https://registry-1.docker.io"
[host."https://z.example.com"]
[host."https://a.example.com".header]
  X-A = "1"
[host."https://m.example.com:5000"]
  capabilities = ["pull"]
`;
    assert.deepEqual(await rootsOf('docker.io', { 'docker.io/hosts.toml': file }), [
      'https://z.example.com/v2',
      'https://a.example.com/v2',
      'https://m.example.com:5000/v2',
      'https://registry-1.docker.io/v2',
    ]);
  });

  it('makes the root of the API from the path of a host, unless that is the root already', async () => {
    const file = `
[host."a.example.com"]
[host."http://b.example.com/"]
[host."https://c.example.com/prefix//x/"]
[host."https://d.example.com/v2"]
[host."https://e.example.com/v2/hub"]
  override_path = true
[host."https://f.example.com"]
  override_path = true
`;
    assert.deepEqual((await rootsOf('r.io', { 'r.io/hosts.toml': file }))?.slice(0, -1), [
      'https://a.example.com/v2',
      'http://b.example.com/v2',
      'https://c.example.com/prefix/x/v2',
      'https://d.example.com/v2',
      'https://e.example.com/v2/hub',
      'https://f.example.com/',
    ]);
  });

  it('is looked up by the name of the registry in all spellings, and by default', async () => {
    const file = 'server = "https://found.example.com"';
    const found = ['https://found.example.com/v2'];
    assert.deepEqual(await rootsOf('r.io:5000', { 'r.io_5000_/hosts.toml': file }), found);
    assert.deepEqual(await rootsOf('r.io:5000', { 'r.io:5000/hosts.toml': file }), found);
    assert.deepEqual(await rootsOf('[::1]:5000', { '[::1]_5000_/hosts.toml': file }), found);
    assert.deepEqual(await rootsOf('[2001:db8::1]', { '[2001:db8::1]/hosts.toml': file }), found);
    assert.deepEqual(await rootsOf('r.io', { '_default/hosts.toml': file }), found);
    assert.deepEqual(
      await rootsOf('r.io', { 'r.io/hosts.toml': 'server = "https://own.io"', '_default/hosts.toml': file }),
      ['https://own.io/v2'],
    );
    assert.equal(await rootsOf('r.io', { 'other.io/hosts.toml': file }), undefined);
    assert.deepEqual(await rootsOf('r.io', { 'r.io/hosts.toml': '  \n' }), ['https://r.io/v2']);
  });

  it('has its hosts under the names that credentials are kept under', async () => {
    const file = (server: string): string => `
server = "${server}"
[host."https://m.example.com:443"]
[host."http://m.example.com"]
[host."http://M.example.com:80/"]
[host."http://m.example.com:8080"]
[host."unix:///run/m.sock"]
[host."https://index.docker.io"]
`;
    const mirrors = [
      'm.example.com',
      'm.example.com',
      'm.example.com:80',
      'm.example.com:8080',
      'unix:///run/m.sock',
      'docker.io',
    ];
    const own = [
      ['r.io', 'https://r.io'],
      ['r.io', 'https://r.io:443'],
      ['r.io:443', 'https://r.io:443'],
      ['r.io:80', 'http://r.io:80'],
      ['docker.io', 'https://registry-1.docker.io'],
    ] as const;
    for (const [registry, server] of own) {
      await withFiles({ '_default/hosts.toml': file(server) }, async ({ path }) => {
        const options = { hostsDirectory: path, certificateDirectories: [], defaults };
        const hosts = (await findHosts(registry, options)) ?? [];
        assert.deepEqual(
          hosts.map((host) => host.registry),
          [...mirrors, registry],
        );
        assert.equal(hosts.at(-1)?.namespace, undefined);
        assert.equal(hosts[0]?.namespace, registry);
      });
    }
  });

  it('means all by an empty list of capabilities, and takes them in any case', () => {
    const { hosts } = parseHostsToml('[host.a]\ncapabilities = []\n[host.b]\ncapabilities = ["Pull"]', 'hosts.toml');
    assert.deepEqual(
      hosts.map(({ capabilities }) => capabilities),
      [undefined, ['pull']],
    );
  });

  it('has every key of a host', () => {
    const { hosts, server } = parseHostsToml(
      `
ca = "root.pem"
dial_timeout = "1m30s"
[host."https://a.io"]
  capabilities = ["pull", "resolve", "push", "referrers"]
  ca = ["one.pem", "/abs/two.pem"]
  client = [["a.cert", "a.key"], ["both.pem", ""]]
  skip_verify = true
  override_path = true
  dial_timeout = "250ms"
  [host."https://a.io".header]
    X-One = "1"
    X-Two = ["2", "3"]
[host."https://b.io"]
  client = "both.pem"
`,
      'hosts.toml',
    );
    assert.deepEqual(hosts[0], {
      url: 'https://a.io',
      capabilities: ['pull', 'resolve', 'push', 'referrers'],
      authorities: ['one.pem', '/abs/two.pem'],
      clientCertificates: [
        { certificate: 'a.cert', key: 'a.key' },
        { certificate: 'both.pem', key: undefined },
      ],
      skipVerify: true,
      headers: { 'x-one': '1', 'x-two': '2, 3' },
      overridePath: true,
      dialTimeout: 250,
    });
    assert.deepEqual(hosts[1]?.clientCertificates, [{ certificate: 'both.pem', key: undefined }]);
    assert.deepEqual(server.authorities, ['root.pem']);
    assert.equal(server.dialTimeout, 90_000);
  });

  it('says how long to wait for a connection to each host', async () => {
    const file = `dial_timeout = "3s"\n[host."https://a.io"]\ndial_timeout = "2s"\n[host."https://b.io"]\n`;
    await withFiles({ 'r.io/hosts.toml': file }, async (directory) => {
      const options = { certificateDirectories: [], defaults: { plainHttp: false, connection: { timeout: 1000 } } };
      const hosts = await findHosts('r.io', { hostsDirectory: directory.path, ...options });
      assert.deepEqual(
        hosts?.map(({ connection }) => connection.timeout),
        [2000, 1000, 3000],
      );
    });
  });

  it('is refused where it is malformed, by its path and without what is in it', async () => {
    for (const text of [
      'server = ',
      'server = 5',
      '[host."https://a.io"]\ncapabilities = ["pul"]',
      '[host."https://a.io"]\ndial_timeout = "soon"',
      '[host."https://a.io"]\nheader = "canary"',
      '[host."https://a.io".header]\n"a b" = "canary"',
      '[host."https://a.io".header]\na = "canary\\r\\nb"',
      '[header]\nTransfer-Encoding = "canary"',
      '[header]\ncontent-length = "1"',
      '[host."https://a.io"]\nca = 1',
      '[host.5000]',
      'canary = "unclosed',
    ]) {
      assert.throws(
        () => parseHostsToml(text, '/etc/hosts.toml'),
        (error) =>
          is(error, 'invalid-argument') && error.context.path === '/etc/hosts.toml' && !/canary/.test(error.message),
        text,
      );
    }
    for (const host of ['ftp://a.io', 'https://user:canary@a.io', 'https://a.io?x=1', 'https://']) {
      await assert.rejects(
        rootsOf('r.io', { 'r.io/hosts.toml': `[host."${host}"]` }),
        (error) => is(error, 'invalid-argument'),
        host,
      );
    }
    await fails(
      rootsOf('r.io', { 'r.io/hosts.toml': '[host."https://a.io"]\nca = "missing.pem"' }),
      'invalid-argument',
      /missing\.pem/,
    );
  });
});

interface Scene {
  readonly mirror: ScriptedRegistry;
  readonly upstream: ScriptedRegistry;
  client(options?: RegistryClientOptions): ReturnType<typeof quickClient>;
}

/** A registry `registry.test` with one mirror, each on loopback. */
async function mirrored(extra: string, test: (scene: Scene) => Promise<void>): Promise<void> {
  await using mirror = await ScriptedRegistry.start();
  await using upstream = await ScriptedRegistry.start();
  for (const one of [mirror, upstream]) one.add('team/app', image, '1');
  const file = `server = "${upstream.origin}"\n[host."${mirror.origin}"]\n${extra}`;
  await withFiles({ 'registry.test/hosts.toml': file }, async (directory) => {
    await test({ mirror, upstream, client: (options) => quickClient({ hostsDirectory: directory.path, ...options }) });
  });
}

const name = 'registry.test/team/app:1';

describe('mirrors', () => {
  it('are asked first, and told whose content is meant', async () => {
    await mirrored('', async ({ mirror, upstream, client }) => {
      await using own = client();
      const { target } = await own.resolve(name);
      await bytesOf(await (await own.fetcher(name)).fetch(target));
      assert.deepEqual(mirror.log(), [
        'HEAD /v2/team/app/manifests/1?ns=registry.test 200',
        `GET /v2/team/app/manifests/${target.digest}?ns=registry.test 200`,
      ]);
      assert.equal(upstream.requests.length, 0);
    });
  });

  it('that do not have it, do not answer or answer wrongly are followed by the registry itself', async () => {
    const failures = [
      { on: '*', answer: { status: 404 } },
      { on: '*', answer: { status: 401 } },
      { on: '*', answer: { status: 403 } },
      { on: '*', answer: { status: 500 } },
      { on: '*', answer: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' } },
      { on: '*', reset: true },
      { on: '*', raw: 'nonsense' },
    ];
    for (const rule of failures) {
      await mirrored('', async ({ mirror, upstream, client }) => {
        mirror.script(rule);
        await using own = client();
        assert.deepEqual((await own.resolve(name)).target, image.root);
        for (const { descriptor, bytes } of image.blobs) {
          assert.deepEqual(await bytesOf(await (await own.fetcher(name)).fetch(descriptor)), Buffer.from(bytes));
        }
        assert.ok(upstream.requests.length > 0);
      });
    }
  });

  it('that break off again and again are left for the registry, which sends the rest', async () => {
    const layer = randomBlob(3_000_000, 'broken off');
    await mirrored('', async ({ mirror, upstream, client }) => {
      for (const one of [mirror, upstream]) one.repository('team/app').addBlob(layer.bytes);
      mirror.script({ on: 'GET */blobs/*', times: 1, resetAfter: 1_000_000 }, { on: 'GET */blobs/*', reset: true });
      await using own = client();
      const fetcher = await own.fetcher(name);
      assert.ok((await bytesOf(await fetcher.fetch(layer.descriptor))).equals(layer.bytes));
      assert.equal(upstream.requests.length, 1);
      const asked = upstream.requests[0]?.headers['range'];
      assert.match(String(asked), /^bytes=[1-9]\d+-$/);
      const before = mirror.requests.length;
      assert.ok((await bytesOf(await fetcher.fetch(layer.descriptor))).equals(layer.bytes));
      assert.equal(mirror.requests.length, before, 'it is passed over for a while');
    });
  });

  it('whose bytes are wrong until they break off are not asked for them again', async () => {
    const layer = randomBlob(3_000_000, 'wrong and broken off');
    await mirrored('', async ({ mirror, upstream, client }) => {
      for (const one of [mirror, upstream]) one.repository('team/app').addBlob(layer.bytes);
      mirror.script({ on: 'GET */blobs/*', times: 1, corruptAt: 10, resetAfter: 1_000_000 });
      mirror.script({ on: 'GET */blobs/*', reset: true });
      await using own = client();
      const store = new MemoryStore();
      const source = await own.fetcher(name);
      const outcome = await writeBlob(store, 'layer', layer.descriptor, (offset, options) => {
        return streamFrom(source.fetch(layer.descriptor, { ...options, offset }));
      });
      assert.equal(outcome, 'pushed');
    });
  });

  it('that do not answer are passed over for a while', async () => {
    await mirrored('', async ({ mirror, client }) => {
      mirror.script({ on: '*', answer: { status: 503 } });
      await using own = client();
      await own.resolve(name);
      const before = mirror.requests.length;
      await own.resolve(name);
      assert.equal(mirror.requests.length, before);
    });
  });

  it('are given up soon, and what nobody stands behind is not: the last server, and a push', async () => {
    await mirrored('', async ({ mirror, upstream, client }) => {
      for (const server of [mirror, upstream]) server.script({ on: 'HEAD *', times: 3, answer: { status: 503 } });
      await using own = client();
      await own.resolve(name);
      assert.deepEqual([mirror.requests.length, upstream.requests.length], [2, 4]);
      mirror.script({ on: 'PUT */manifests/*', times: 3, answer: { status: 503 } });
      assert.equal((await pushAll(await own.pusher(name), image)).length, image.blobs.length);
    });
  });

  it('are all named when none of them helps', async () => {
    await mirrored('', async ({ mirror, upstream, client }) => {
      mirror.script({ on: '*', answer: { status: 503 } });
      upstream.script({ on: '*', answer: { status: 403, body: '{"errors":[{"code":"DENIED"}]}' } });
      await using own = client();
      await assert.rejects(
        own.resolve(name),
        (error) =>
          is(error, 'permission-denied') &&
          error.message.includes(mirror.host) &&
          error.message.includes(upstream.host) &&
          /503/.test(error.message),
      );
    });
  });

  it('for pulls alone are not asked what a tag means', async () => {
    await mirrored('capabilities = ["pull"]', async ({ mirror, upstream, client }) => {
      await using own = client();
      const { target } = await own.resolve(name);
      assert.equal(mirror.requests.length, 0);
      await own.resolve(`registry.test/team/app@${target.digest}`);
      await bytesOf(await (await own.fetcher(name)).fetch(target));
      assert.equal(mirror.requests.length, 2);
      assert.equal(upstream.requests.length, 1);
    });
  });

  it('that may only be pulled from are not pushed to, and nobody is when nobody may', async () => {
    await mirrored('capabilities = ["pull", "resolve"]', async ({ mirror, upstream, client }) => {
      await using own = client();
      const other = randomImage({ seed: 'push', layers: [10] });
      await pushAll(await own.pusher(`registry.test/team/app:2@${other.root.digest}`), other);
      assert.equal(mirror.requests.length, 0);
      assert.equal(upstream.repository('team/app').tags.get('2'), other.root.digest);
    });
    await withFiles({ 'registry.test/hosts.toml': 'capabilities = ["pull"]' }, async (directory) => {
      await using own = quickClient({ hostsDirectory: directory.path });
      await fails(own.pusher(name), 'policy');
    });
  });

  it('below a path of another registry are asked with that path, for rights to that path', async () => {
    await using harbor = await ScriptedRegistry.start({ access: { kind: 'bearer', users: { bot: 'secret' } } });
    harbor.add('hub/team/app', image, '1');
    const file = `server = "https://registry.test"\n[host."${harbor.origin}/v2/hub"]\noverride_path = true\n`;
    await withFiles({ 'registry.test/hosts.toml': file }, async (directory) => {
      const asked: (string | undefined)[] = [];
      const credentials = {
        get: async (_registry: string, repository?: string) => {
          asked.push(repository);
          return passwordCredentials('bot', 'secret');
        },
      };
      await using own = quickClient({ hostsDirectory: directory.path, credentials });
      assert.deepEqual((await own.resolve(name)).target, image.root);
      assert.deepEqual(asked, ['hub/team/app']);
      const token = harbor.requests.find(({ url }) => url.startsWith('/token'));
      assert.deepEqual(new URLSearchParams(token?.url.split('?')[1]).getAll('scope'), ['repository:hub/team/app:pull']);
      assert.equal(harbor.requests.length, 3);
    });
  });

  it('below a path of another registry have blobs mounted from where those are there', async () => {
    await using harbor = await ScriptedRegistry.start();
    const [{ descriptor } = randomBlob(1, 'x')] = image.blobs;
    harbor.add('hub/team/base', image, '1');
    await withFiles(
      { 'registry.test/hosts.toml': `server = "${harbor.origin}/v2/hub"\noverride_path = true\n` },
      async (directory) => {
        await using own = quickClient({ hostsDirectory: directory.path });
        assert.equal(await own.mount(name, descriptor.digest, 'team/base'), true);
        assert.ok(harbor.repository('hub/team/app').blobs.has(descriptor.digest));
      },
    );
  });

  it('below a path of another registry have uploads remembered for where they go', async () => {
    await using harbor = await ScriptedRegistry.start();
    const keys: UploadKey[] = [];
    const uploads = {
      get: async () => undefined,
      put: async (key: UploadKey) => void keys.push(key),
      delete: async () => {},
    };
    await withFiles(
      { 'registry.test/hosts.toml': `server = "${harbor.origin}/v2/hub"\noverride_path = true\n` },
      async (directory) => {
        await using own = quickClient({ hostsDirectory: directory.path, chunkSize: 100_000, uploads });
        const { descriptor, bytes } = randomBlob(200_000, 'remembered');
        await (await own.pusher(name)).push(descriptor, openerOf(bytes));
        assert.ok(harbor.repository('hub/team/app').blobs.has(descriptor.digest));
        assert.deepEqual(keys[0], { registry: harbor.host, repository: 'hub/team/app', digest: descriptor.digest });
      },
    );
  });

  it('whose API is at the root of the server are asked there', async () => {
    await using server = await ScriptedRegistry.start();
    for (const end of ['', '/']) {
      const file = `server = "${server.origin}${end}"\noverride_path = true\n`;
      await withFiles({ 'registry.test/hosts.toml': file }, async (directory) => {
        await using own = quickClient({ hostsDirectory: directory.path });
        await fails(own.resolve(name), 'not-found');
      });
    }
    const paths = server.requests.map(({ url }) => url.split('?')[0]);
    assert.deepEqual([...new Set(paths)], ['/team/app/manifests/1']);
  });

  it('get their own credentials, never those of the registry', async () => {
    await mirrored('', async ({ mirror, upstream, client }) => {
      const asked: string[] = [];
      const credentials = {
        get: async (registry: string) => {
          asked.push(registry);
          return passwordCredentials(registry, 'canary');
        },
      };
      const challenge = { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
      mirror.script({ on: '*', answer: challenge });
      upstream.script({ on: '*', times: 1, answer: challenge });
      await using own = client({ credentials });
      await own.resolve(name);
      assert.deepEqual([...new Set(asked)], [mirror.host, upstream.host]);
      const shown = mirror.requests.flatMap(({ headers }) => headers['authorization'] ?? []);
      assert.ok(
        shown.every((header) => Buffer.from(String(header).slice(6), 'base64').toString() === `${mirror.host}:canary`),
      );
    });
  });

  it('that sent wrong bytes are asked last when the bytes are wanted again', async () => {
    await mirrored('', async ({ mirror, upstream, client }) => {
      mirror.script({ on: 'GET *', corruptAt: 5 });
      await using own = client();
      const fetcher = await own.fetcher(name);
      const [{ descriptor, bytes } = randomBlob(1, 'x')] = image.blobs;
      assert.notDeepEqual(await bytesOf(await fetcher.fetch(descriptor)), Buffer.from(bytes));
      assert.deepEqual(await bytesOf(await fetcher.fetch(descriptor, { distrust: true })), Buffer.from(bytes));
      assert.equal(upstream.requests.length, 1);
    });
  });

  it('that all break off again and again are given up', async () => {
    await mirrored('', async ({ mirror, upstream, client }) => {
      for (const one of [mirror, upstream]) one.script({ on: 'GET *', truncateAfter: 1 });
      await using own = client();
      const [{ descriptor } = randomBlob(1, 'x')] = image.blobs;
      const fetched = (async () => bytesOf(await (await own.fetcher(name)).fetch(descriptor)))();
      await fails(fetched, 'unavailable');
      assert.ok(mirror.requests.length + upstream.requests.length < 20);
    });
  });

  it('take over in the middle of nothing: a body that breaks off goes on at the same host', async () => {
    await mirrored('', async ({ mirror, upstream, client }) => {
      mirror.script({ on: 'GET *', times: 1, truncateAfter: 500 });
      await using own = client();
      const [{ descriptor, bytes } = randomBlob(1, 'x')] = image.blobs;
      assert.deepEqual(await bytesOf(await (await own.fetcher(name)).fetch(descriptor)), Buffer.from(bytes));
      assert.equal(upstream.requests.length, 0);
    });
  });
});

describe('what is configured for one host', () => {
  it('its headers are sent to it and to nobody it sends us to', async () => {
    await using cdn = await ScriptedRegistry.start();
    await using registry = await ScriptedRegistry.start({
      quirks: { redirectBlobs: cdn.origin },
      access: { kind: 'bearer', users: { bot: 'secret' } },
    });
    for (const one of [registry, cdn]) one.add('team/app', image, '1');
    const file = `server = "${registry.origin}"\n[header]\nX-Api-Key = "canary"\n`;
    await withFiles({ 'registry.test/hosts.toml': file }, async (directory) => {
      const credentials = staticCredentials({ [registry.host]: passwordCredentials('bot', 'secret') });
      await using own = quickClient({ hostsDirectory: directory.path, credentials });
      const [{ descriptor } = randomBlob(1, 'x')] = image.blobs;
      await bytesOf(await (await own.fetcher(name)).fetch(descriptor));
      assert.ok(registry.requests.every(({ headers }) => headers['x-api-key'] === 'canary'));
      assert.equal(cdn.requests.length, 1);
      assert.equal(cdn.requests[0]?.headers['x-api-key'], undefined);
    });
  });

  it('its headers give way to those of a request, in whatever case they are written', async () => {
    await using registry = await ScriptedRegistry.start({ access: { kind: 'basic', users: { bot: 'secret' } } });
    registry.add('team/app', image, '1');
    const file = `server = "${registry.origin}"\n[header]\nAuthorization = "Basic eDp5"\nACCEPT = "text/plain"\nUser-Agent = "own"\n`;
    await withFiles({ 'registry.test/hosts.toml': file }, async (directory) => {
      const credentials = staticCredentials({ [registry.host]: passwordCredentials('bot', 'secret') });
      await using own = quickClient({ hostsDirectory: directory.path, credentials });
      assert.deepEqual((await own.resolve(name)).target, image.root);
      const shown = registry.requests.map(({ headers }) => headers['authorization']);
      assert.deepEqual(shown, ['Basic eDp5', `Basic ${Buffer.from('bot:secret').toString('base64')}`]);
      assert.ok(registry.requests.every(({ headers }) => headers['user-agent'] === 'own'));
      assert.ok(registry.requests.every(({ headers }) => !/text\/plain/.test(String(headers['accept']))));
    });
  });

  it('its http is named as what answers where https was asked for', async () => {
    await using registry = await ScriptedRegistry.start();
    const origin = registry.origin.replace('http:', 'https:');
    await withFiles({ 'registry.test/hosts.toml': `server = "${origin}"\n` }, async (directory) => {
      await using client = quickClient({ hostsDirectory: directory.path });
      await fails(client.resolve(name), 'unavailable', /TLS failed, wrong version number$/, /--plain-http/);
    });
  });

  it('its authority is believed, beside those of the system, for it alone', {
    skip: unlessInstalled('openssl'),
  }, async () => {
    await using certificates = await temporaryDirectory();
    const authority = await testAuthority(certificates);
    const tls = await authority.issue('localhost', 'localhost', '127.0.0.1');
    await using registry = await ScriptedRegistry.start({ tls });
    registry.add('team/app', image, '1');
    const files = {
      'registry.test/hosts.toml': `server = "${registry.origin}"\nca = "authority.pem"\n`,
      'registry.test/authority.pem': authority.certificate,
      'stranger.test/hosts.toml': `server = "${registry.origin}"\n`,
      'careless.test/hosts.toml': `server = "${registry.origin}"\nskip_verify = true\n`,
      [`${registry.host.replace(':', '_')}_/ca.crt`]: authority.certificate,
    };
    await withFiles(files, async (directory) => {
      await using own = quickClient({ hostsDirectory: directory.path });
      assert.deepEqual((await own.resolve(name)).target, image.root);
      assert.deepEqual((await own.resolve('careless.test/team/app:1')).target, image.root);
      assert.deepEqual((await own.resolve(`${registry.host}/team/app:1`)).target, image.root);
      await fails(own.resolve('stranger.test/team/app:1'), 'unavailable', /--insecure/);
      await using other = quickClient({
        certificateDirectories: [directory.path],
        hostsDirectory: directory.join('none'),
      });
      await fails(other.resolve(`${registry.host}/team/app:1`), 'unavailable');
    });
  });

  it('its authority keeps none of those that Node knows from being believed', {
    skip: unlessInstalled('openssl'),
  }, async () => {
    await using certificates = await temporaryDirectory();
    const [known, own] = [await testAuthority(certificates, 'known'), await testAuthority(certificates, 'own')];
    await using registry = await ScriptedRegistry.start({ tls: await known.issue('localhost', '127.0.0.1') });
    registry.add('team/app', image, '1');
    const files = {
      'registry.test/hosts.toml': `server = "${registry.origin}"\nca = "own.pem"\n`,
      'registry.test/own.pem': own.certificate,
    };
    const before = getCACertificates('default');
    setDefaultCACertificates([...before, known.certificate]);
    try {
      await withFiles(files, async (directory) => {
        await using client = quickClient({ hostsDirectory: directory.path });
        assert.deepEqual((await client.resolve(name)).target, image.root);
      });
    } finally {
      setDefaultCACertificates(before);
    }
  });

  it('its certificate of ours is shown to it and to nobody it sends us to', {
    skip: unlessInstalled('openssl'),
  }, async () => {
    await using certificates = await temporaryDirectory();
    const authority = await testAuthority(certificates);
    const tls = { ...(await authority.issue('localhost', 'localhost', '127.0.0.1')), authority: authority.certificate };
    const own = await authority.issue('client');
    await using cdn = await ScriptedRegistry.start({ tls });
    await using registry = await ScriptedRegistry.start({ tls, quirks: { redirectBlobs: cdn.origin } });
    for (const one of [registry, cdn]) one.add('team/app', image, '1');
    const files = {
      [`${registry.host}/ca.crt`]: authority.certificate,
      [`${registry.host}/client.cert`]: own.certificate,
      [`${registry.host}/client.key`]: own.key,
    };
    await withFiles(files, async (directory) => {
      await using client = quickClient({ certificateDirectories: [directory.path] });
      const [{ descriptor, bytes } = randomBlob(1, 'x')] = image.blobs;
      const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
      assert.deepEqual(await bytesOf(await fetcher.fetch(descriptor)), Buffer.from(bytes));
      assert.deepEqual(registry.clientCertificates, ['client']);
      assert.equal(cdn.requests.length, 1);
      assert.deepEqual(cdn.clientCertificates, []);
    });
  });

  it('a certificate needs its key', async () => {
    const files = { 'r.io/client.cert': '-----BEGIN CERTIFICATE-----\n' };
    await fails(rootsOf('r.io', files), 'invalid-argument', /private key/);
  });

  it('it may be a unix socket', { skip: process.platform === 'win32' }, async () => {
    await using directory = await temporaryDirectory();
    const socketPath = directory.join('r.sock');
    await using registry = await ScriptedRegistry.start({ socketPath });
    registry.add('team/app', image, '1');
    await withFiles({ 'registry.test/hosts.toml': `server = "unix://${socketPath}"\n` }, async (hosts) => {
      await using own = quickClient({ hostsDirectory: hosts.path });
      const { target } = await own.resolve(name);
      assert.deepEqual(target, image.root);
      const other = randomImage({ seed: 'socket', layers: [100_000] });
      await pushAll(await own.pusher(`registry.test/team/app:2@${other.root.digest}`), other);
      assert.equal(registry.repository('team/app').tags.get('2'), other.root.digest);
    });
  });

  it('it is asked through a proxy like any other', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    await using proxy = await testProxy({ 'mirror.example.com': registry.host });
    await withFiles({ 'registry.test/hosts.toml': '[host."http://mirror.example.com"]\n' }, async (directory) => {
      await using own = quickClient({ hostsDirectory: directory.path, proxy: () => proxy.url });
      assert.deepEqual((await own.resolve(name)).target, image.root);
    });
  });
});

describe('a client that is offline', () => {
  it('asks nobody, on this machine neither', async () => {
    await using registry = await ScriptedRegistry.start();
    await using client = quickClient({ offline: true });
    const blob = randomBlob(10, 'offline');
    const where = `${registry.host}/team/app:1`;
    for (const act of [
      () => client.resolve(where),
      async () => (await client.fetcher(where)).fetch(blob.descriptor),
      async () => (await client.pusher(where)).push(blob.descriptor, openerOf(blob.bytes)),
      () => client.ping(registry.host),
      () => Array.fromAsync(client.tags(`${registry.host}/team/app`)),
    ]) {
      await assert.rejects(
        async () => await act(),
        (error) => is(error, 'failed-precondition') && because(error, 'policy'),
      );
    }
    assert.equal(registry.requests.length, 0);
  });
});

async function* streamFrom(opening: Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await opening;
}
