import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { because, is } from '../../src/errors.ts';
import { passwordCredentials, staticCredentials } from '../../src/remotes/docker/credentials.ts';
import type { RegistryEvent } from '../../src/remotes/docker/events.ts';
import type { RegistryClient } from '../../src/remotes/docker/registry-client.ts';
import { Secret } from '../../src/remotes/docker/secret.ts';
import type { Digest } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { document, randomBlob, randomImage } from '../../src/testing/random.ts';
import { type Access, type Rule, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { testAuthority } from '../support/certificates.ts';
import { testProxy } from '../support/proxy.ts';
import { bytesOf, openerOf, pushAll, quickClient } from '../support/registry-client.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

const image = randomImage({ seed: 'security', layers: [1000, 200_000] });
const blob = randomBlob(200_000, 'security blob');
const users = { bot: 'canary-password' };
const credentials = { get: async () => passwordCredentials('bot', 'canary-password') };
const basic: Access = { kind: 'basic', users };

/** Does everything there is with a repository. */
async function everything(client: RegistryClient, name: string): Promise<void> {
  const attempt = async (act: () => Promise<unknown>): Promise<void> => {
    await act().catch(() => {});
  };
  await attempt(() => client.resolve(`${name}:1`));
  await attempt(() => client.manifest(`${name}:1`));
  const fetcher = await client.fetcher(`${name}:1`);
  for (const { descriptor } of image.blobs)
    await attempt(async () => bytesOf(await fetcher.fetch(descriptor, { offset: 1 })));
  await attempt(async () => pushAll(await client.pusher(`${name}:2@${image.root.digest}`), image));
  await attempt(async () => (await client.pusher(`${name}:2`)).push(blob.descriptor, openerOf(blob.bytes)));
  await attempt(() => Array.fromAsync(client.tags(name)));
  await attempt(() => Array.fromAsync(client.referrers(`${name}@${image.root.digest}`)));
  await attempt(() => client.delete(`${name}:1`));
}

function secretsSeenBy(registry: ScriptedRegistry): string[] {
  return registry.requests.flatMap(({ headers, url }) => {
    const shown = [headers['authorization'], headers['cookie'], headers['proxy-authorization']];
    return [...shown.filter((value) => value !== undefined).map(String), ...(/canary/.test(url) ? [url] : [])];
  });
}

describe('credentials', () => {
  it('go to the server they are for and to none that it redirects to, by host, by port or by scheme', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      await using other = await ScriptedRegistry.start();
      other.add('team/app', image, '1');
      await using registry = await ScriptedRegistry.start({ access: basic });
      registry.add('team/app', image, '1');
      const port = registry.host.split(':')[1];
      for (const origin of [other.origin, `http://localhost:${port}`, `http://${other.host}`]) {
        await using client = quickClient({ credentials });
        registry.clear();
        // What arrives under another name of the same machine counts as arrived elsewhere.
        for (const method of ['HEAD', 'GET', 'POST', 'PATCH', 'PUT', 'DELETE']) {
          const pattern = new RegExp(`^${method} /v2/team`);
          registry.script({
            on: pattern,
            times: 1,
            answer: { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
          });
          registry.script({
            on: pattern,
            times: 1,
            answer: { status, headers: { location: `${origin}/v2/team/app/manifests/1` } },
          });
        }
        await everything(client, `${registry.host}/team/app`);
        assert.deepEqual(secretsSeenBy(other), []);
        const asLocalhost = registry.requests.filter(({ headers }) => headers['host'] === `localhost:${port}`);
        assert.ok(asLocalhost.every(({ headers }) => headers['authorization'] === undefined));
      }
    }
  });

  it('do not go from http to https or back, which are two servers', { skip: unlessInstalled('openssl') }, async () => {
    await using directory = await temporaryDirectory();
    const tls = await (await testAuthority(directory)).issue('localhost', 'localhost', '127.0.0.1');
    for (const [from, to] of [
      [tls, undefined],
      [undefined, tls],
    ]) {
      await using other = await ScriptedRegistry.start({ tls: to });
      await using registry = await ScriptedRegistry.start({ tls: from, access: basic });
      registry.add('team/app', image, '1');
      await using client = quickClient({ credentials, insecure: true });
      await client.resolve(`${registry.host}/team/app:1`);
      for (const method of ['HEAD', 'GET', 'POST', 'PATCH', 'PUT', 'DELETE']) {
        const headers = { location: `${other.origin}/v2/team/app/manifests/1` };
        registry.script({ on: new RegExp(`^${method} /v2/team`), times: 2, answer: { status: 307, headers } });
      }
      await everything(client, `${registry.host}/team/app`);
      assert.ok(other.requests.length > 4);
      assert.deepEqual(secretsSeenBy(other), []);
    }
  });

  it('do not follow an upload to a location elsewhere', async () => {
    await using other = await ScriptedRegistry.start();
    await using registry = await ScriptedRegistry.start({
      access: basic,
      quirks: { location: { origin: other.origin } },
    });
    await using client = quickClient({ credentials });
    await everything(client, `${registry.host}/team/app`);
    assert.ok(other.requests.some(({ method }) => method === 'PUT' || method === 'PATCH'));
    assert.deepEqual(secretsSeenBy(other), []);
  });

  it('are not shown to a server of foreign layers that asks for them, and no token is fetched for it', async () => {
    await using registry = await ScriptedRegistry.start({ access: basic });
    registry.add('team/app', image, '1');
    for (const challenge of ['Basic realm="x"', 'Bearer realm="{realm}",service="x"']) {
      await using evil = await ScriptedRegistry.start({ access: { kind: 'basic', users, challenge: [challenge] } });
      await using client = quickClient({ credentials });
      const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
      const foreign = { ...blob.descriptor, urls: [`${evil.origin}/v2/team/app/blobs/${blob.descriptor.digest}`] };
      await fails(fetcher.fetch(foreign), 'unauthenticated');
      assert.equal(evil.requests.length, 1);
      assert.deepEqual(secretsSeenBy(evil), []);
    }
  });

  it('are not shown behind a redirect, though the server there asks for them; a stranger’s token it may have', async () => {
    for (const kind of ['basic', 'bearer'] as const) {
      await using other = await ScriptedRegistry.start({ access: { kind, users, publicRepositories: ['team/app'] } });
      other.repository('team/app').addBlob(blob.bytes);
      await using registry = await ScriptedRegistry.start({ access: basic, quirks: { redirectBlobs: other.origin } });
      registry.repository('team/app').addBlob(blob.bytes);
      await using client = quickClient({ credentials });
      const fetcher = await client.fetcher(`${registry.host}/team/app:1`);
      if (kind === 'basic') {
        other.script({ on: 'GET /v2/*', answer: { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } } });
        await fails(fetcher.fetch(blob.descriptor), 'unauthenticated');
        assert.deepEqual(secretsSeenBy(other), []);
      } else {
        assert.deepEqual(await bytesOf(await fetcher.fetch(blob.descriptor)), Buffer.from(blob.bytes));
        const shown = secretsSeenBy(other);
        assert.ok(
          shown.every((header) => other.tokens.some((token) => header === `Bearer ${token}`)),
          shown.join(),
        );
        assert.ok(other.requests.every(({ url }) => !url.includes('account=')));
      }
    }
  });

  it('are not shown to a registry that another one redirects to, which is asked as a stranger', async () => {
    for (const isPublic of [true, false]) {
      const publicRepositories = isPublic ? ['team/app'] : [];
      await using other = await ScriptedRegistry.start({ access: { kind: 'bearer', users, publicRepositories } });
      other.add('team/app', image, '1');
      await using registry = await ScriptedRegistry.start({ access: basic });
      registry.script({
        on: /^(HEAD|GET) .*manifests/,
        answer: { status: 308, headers: { location: `${other.origin}/v2/team/app/manifests/1` } },
      });
      await using client = quickClient({ credentials });
      const resolving = client.resolve(`${registry.host}/team/app:1`);
      if (isPublic) assert.deepEqual((await resolving).target, image.root);
      else await fails(resolving, 'unauthenticated');
      assert.ok(other.requests.every(({ headers }) => !String(headers['authorization'] ?? '').startsWith('Basic')));
    }
  });

  it('are not shown to the token server of a registry that another one leads to when asked what it wants', async () => {
    await using other = await ScriptedRegistry.start({ access: { kind: 'bearer', users } });
    await using registry = await ScriptedRegistry.start();
    registry.script({
      on: 'GET /v2/',
      answer: { status: 307, headers: { location: `${other.origin}/v2/` } },
    });
    await using client = quickClient({ credentials });
    await fails(client.resolve(`${registry.host}/team/app:1`), 'not-found');
    assert.deepEqual(other.log(), ['GET /v2/ 401']);
  });

  it('are not shown to a token server that redirects elsewhere', async () => {
    await using other = await ScriptedRegistry.start();
    for (const status of [302, 307, 308]) {
      await using registry = await ScriptedRegistry.start({ access: { kind: 'bearer', users } });
      registry.script({ on: '* /token*', answer: { status, headers: { location: `${other.origin}/token` } } });
      for (const own of [
        passwordCredentials('bot', 'canary-password'),
        { identityToken: new Secret('canary-identity'), source: 'test' },
      ]) {
        await using client = quickClient({ credentials: { get: async () => own } });
        const pusher = await client.pusher(`${registry.host}/team/app:1`);
        await fails(pusher.push(blob.descriptor, openerOf(blob.bytes)), 'policy');
      }
    }
    assert.equal(other.requests.length, 0);
  });

  it('of one registry are not for another whose name begins or ends alike', async () => {
    const asked: string[] = [];
    const source = {
      get: async (registry: string) => {
        asked.push(registry);
        return undefined;
      },
    };
    await using registry = await ScriptedRegistry.start({ access: basic });
    await using proxy = await testProxy({ 'registry.example.com.evil.net': registry.host });
    await using client = quickClient({ credentials: source, plainHttp: true, proxy: () => proxy.url });
    await fails(client.resolve('registry.example.com.evil.net/team/app:1'), 'unauthenticated');
    assert.deepEqual([...new Set(asked)], ['registry.example.com.evil.net']);
  });
});

describe('names of registries', () => {
  const own = { get: async () => passwordCredentials('bot', 'canary-password') };
  const known = staticCredentials({ 'registry.example.com': passwordCredentials('bot', 'canary-password') });

  it('stand for themselves: nothing that looks alike gets the credentials', async () => {
    for (const name of [
      'registry.example.com.evil.net',
      'evil-registry.example.com',
      'registry.example.com.',
      'registry.example.com:5000',
      'registry.example.co',
      'example.com',
      'xn--rgistry-bya.example.com',
      'registry.example.com@evil.net',
      'user@registry.example.com',
      'https://registry.example.com',
    ]) {
      assert.equal(await known.get(name), undefined, name);
    }
    assert.ok(await known.get('REGISTRY.example.com'));
    const hub = staticCredentials({ 'docker.io': passwordCredentials('bot', 'canary-password') });
    for (const name of ['docker.io', 'index.docker.io', 'registry-1.docker.io']) assert.ok(await hub.get(name), name);
    for (const name of ['docker.com', 'auth.docker.io', 'index.docker.io.evil.net', 'mydocker.io'])
      assert.equal(await hub.get(name), undefined, name);
  });

  it('that are none are refused before anybody is asked', async () => {
    await using client = quickClient({ credentials: own, proxy: () => assert.fail('asked') });
    for (const host of [
      'user@r.io',
      'user:pass@r.io',
      'r.io.',
      'rëgistry.io',
      'r.io:x',
      'r.io:70000',
      '-r.io',
      'r..io',
      '[::1',
    ])
      await assert.rejects(client.resolve(`${host}/team/app:1`), (error) => is(error, 'invalid-argument'), host);
  });
});

/** A registry that counts as one on the internet: its name is known to a proxy alone. */
async function onTheInternet(
  access: Access | undefined,
  test: (registry: ScriptedRegistry, client: RegistryClient, asked: readonly string[]) => Promise<void>,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  await using registry = await ScriptedRegistry.start({ access });
  registry.add('team/app', image, '1');
  await using proxy = await testProxy({ 'registry.example.com': registry.host, ...more });
  await using client = quickClient({ credentials, plainHttp: true, proxy: () => proxy.url });
  await test(registry, client, proxy.requests);
}

const nearer = [
  'http://127.0.0.1:1/x',
  'https://127.0.0.1:1/x',
  'https://localhost/x',
  'https://169.254.169.254/latest/meta-data',
  'https://10.0.0.1/x',
  'https://192.168.1.1/x',
  'https://0.0.0.0/x',
  'https://[::]/x',
  'https://[::1]/x',
  'https://[::ffff:10.0.0.1]/x',
  'https://2130706433/x',
  'ftp://registry.example.com/x',
  'https://user:pass@cdn.example.net/x',
];

const name = 'registry.example.com/team/app';

describe('URLs that a registry on the internet names', () => {
  it('are not followed into this machine, the local network or metadata services: token realms', async () => {
    for (const realm of nearer) {
      const challenge = [`Bearer realm="${realm}",service="x"`];
      await onTheInternet({ kind: 'bearer', users, challenge }, async (_registry, client, asked) => {
        await assert.rejects(
          client.resolve(`${name}:1`),
          (error) => is(error, 'permission-denied') && because(error, 'policy'),
          realm,
        );
        assert.equal(asked.length, 1, realm);
      });
    }
  });

  it('nor redirects', async () => {
    for (const location of nearer) {
      await onTheInternet(undefined, async (registry, client, asked) => {
        registry.script({ on: '*', answer: { status: 307, headers: { location } } });
        await assert.rejects(client.manifest(`${name}:1`), (error) => because(error, 'policy'), location);
        assert.equal(asked.length, 1, location);
      });
    }
  });

  it('nor locations of uploads', async () => {
    for (const location of nearer) {
      await onTheInternet(undefined, async (registry, client) => {
        registry.script({ on: 'POST *', answer: { status: 202, headers: { location } } });
        const pusher = await client.pusher(`${name}:1`);
        await assert.rejects(
          pusher.push(blob.descriptor, openerOf(blob.bytes)),
          (error) => because(error, 'policy'),
          location,
        );
      });
    }
  });

  it('nor next pages, wherever else they are', async () => {
    for (const location of [...nearer, 'https://cdn.example.net/v2/_catalog', 'http://registry.example.com:8080/x']) {
      await onTheInternet(undefined, async (registry, client, asked) => {
        registry.script({
          on: 'GET *',
          answer: { status: 200, headers: { link: `<${location}>; rel="next"` }, body: '{"tags":["a"]}' },
        });
        await assert.rejects(Array.fromAsync(client.tags(name)), (error) => because(error, 'policy'), location);
        assert.equal(asked.length, 1, location);
      });
    }
  });

  it('nor URLs of layers', async () => {
    for (const url of nearer) {
      await onTheInternet(undefined, async (_registry, client, asked) => {
        const fetcher = await client.fetcher(`${name}:1`);
        await assert.rejects(
          fetcher.fetch({ ...blob.descriptor, urls: [url] }),
          (error) => because(error, 'policy'),
          url,
        );
        assert.ok(asked.every((request) => request.includes('registry.example.com')));
      });
    }
  });

  it('may lead to hosts that are trusted, wherever those are, and to no others', async () => {
    await using near = await ScriptedRegistry.start({ access: { kind: 'bearer', users } });
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    await using proxy = await testProxy({ 'registry.example.com': registry.host });
    const find = (url: URL): URL | undefined => (url.hostname === 'registry.example.com' ? proxy.url : undefined);
    near.add('team/app', image, '1');
    for (const trustedHosts of [[near.host], ['127.0.0.1:1']]) {
      await using client = quickClient({ plainHttp: true, proxy: find, trustedHosts, credentials });
      const location = `${near.origin}/v2/team/app/manifests/1`;
      registry.script({ on: '*', times: 1, answer: { status: 307, headers: { location } } });
      // That it is trusted does not give it the credentials.
      await assert.rejects(client.manifest(`${name}:1`), (error) =>
        is(error, trustedHosts[0] === near.host ? 'unauthenticated' : 'permission-denied'),
      );
    }
    assert.deepEqual(
      secretsSeenBy(near).filter((header) => header.startsWith('Basic')),
      [],
    );
    assert.ok(near.requests.length > 0);
  });

  it('may lead to other servers on the internet, without what is meant for the registry', async () => {
    await using cdn = await ScriptedRegistry.start();
    cdn.repository('team/app').addBlob(blob.bytes);
    await onTheInternet(
      undefined,
      async (registry, client) => {
        registry.repository('team/app').addBlob(blob.bytes);
        registry.quirks = { redirectBlobs: 'http://cdn.example.net' };
        const fetcher = await client.fetcher(`${name}:1`);
        assert.deepEqual(await bytesOf(await fetcher.fetch(blob.descriptor)), Buffer.from(blob.bytes));
        assert.deepEqual(secretsSeenBy(cdn), []);
      },
      { 'cdn.example.net': cdn.host },
    );
  });

  it('are not followed to a name that leads to this machine after all', async () => {
    await using victim = await ScriptedRegistry.start();
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    const port = victim.host.split(':')[1];
    registry.script({ on: '*', answer: { status: 307, headers: { location: `http://ip6-localhost:${port}/` } } });
    await using proxy = await testProxy({ 'registry.example.com': registry.host });
    const find = (url: URL): URL | undefined => (url.hostname === 'registry.example.com' ? proxy.url : undefined);
    await using client = quickClient({ plainHttp: true, proxy: find });
    await assert.rejects(client.manifest(`${name}:1`));
    assert.equal(victim.requests.length, 0);
  });

  it('have one door: no other file makes URLs of what a server says', async () => {
    const folder = join(import.meta.dirname, '..', '..', 'src', 'remotes');
    const found: Record<string, number> = {};
    for await (const file of glob('**/*.ts', { cwd: folder })) {
      const made = [...readFileSync(join(folder, file), 'utf8').matchAll(/new URL\(|URL\.parse\(/g)].length;
      if (made > 0) found[file.replaceAll('\\', '/')] = made;
    }
    assert.deepEqual(found, {
      'docker/guard.ts': 2,
      // What users write: registries, hosts, proxies.
      'docker/hosts.ts': 2,
      'docker/hosts-directory.ts': 3,
      'docker/proxy.ts': 1,
      // Paths of ours, and copies of URLs that came through the door.
      'docker/host-state.ts': 2,
      'docker/round-trip.ts': 1,
      'docker/token-exchange.ts': 1,
      'docker/upload-session.ts': 1,
    });
  });
});

describe('what is asked for by digest', () => {
  const malformed = [
    'sha256:../../x',
    'sha256:',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'a'.repeat(65)}`,
    `sha512:${'a'.repeat(64)}`,
    'a:b',
    'sha256:\0',
    `sha256:${'é'.repeat(64)}`,
    `sha256:${'a'.repeat(60)}/../`,
  ];

  it('is refused at every door before anybody is asked, when the digest is malformed', async () => {
    await using registry = await ScriptedRegistry.start();
    await using client = quickClient();
    const where = `${registry.host}/team/app`;
    for (const text of malformed) {
      const digest = text as Digest;
      for (const act of [
        async () => (await client.fetcher(where)).fetch({ ...blob.descriptor, digest }),
        async () => (await client.pusher(where)).push({ ...blob.descriptor, digest }, openerOf(blob.bytes)),
        async () => (await client.pusher(where)).push({ ...image.root, digest }, openerOf(blob.bytes)),
        async () => (await client.pusher(where)).complete?.({ ...image.root, digest }),
        () => client.stat(where, digest),
        () => client.resolve(`${where}@${digest}`),
        () => client.manifest(`${where}@${digest}`),
        () => client.delete(`${where}@${digest}`),
        () => Array.fromAsync(client.referrers(`${where}@${digest}`)),
      ]) {
        await assert.rejects(
          async () => await act(),
          (error) => is(error, 'invalid-argument'),
          `${text} ${act}`,
        );
      }
    }
    assert.equal(registry.requests.length, 0);
  });

  it('is not answered with another one, in a HEAD neither', async () => {
    await using registry = await ScriptedRegistry.start({
      quirks: { digestHeader: { is: `sha256:${'b'.repeat(64)}` } },
    });
    registry.add('team/app', image, '1');
    await using client = quickClient();
    await fails(client.resolve(`${registry.host}/team/app@${image.root.digest}`), 'data-loss', 'digest-mismatch');
  });

  it('is what a tag meant when it was resolved, whatever it means later', async () => {
    await using registry = await ScriptedRegistry.start();
    const other = randomImage({ seed: 'moved', layers: [10] });
    registry.add('team/app', image, '1');
    registry.add('team/app', other);
    await using client = quickClient();
    const { name: resolved, target } = await client.resolve(`${registry.host}/team/app:1`);
    registry.repository('team/app').tags.set('1', other.root.digest);
    const bytes = await bytesOf(await (await client.fetcher(resolved)).fetch(target));
    assert.deepEqual(bytes, Buffer.from(image.blobs.at(-1)?.bytes ?? []));
  });
});

describe('documents that can be read in two ways', () => {
  const config = document(mediaTypes.ociEmpty, {}).descriptor;
  for (const [what, body, sentAs] of [
    [
      'a manifest with "manifests"',
      { mediaType: mediaTypes.ociManifest, config, layers: [], manifests: [] },
      mediaTypes.ociManifest,
    ],
    ['an index with "layers"', { mediaType: mediaTypes.ociIndex, manifests: [], layers: [] }, mediaTypes.ociIndex],
    ['an index with "config"', { manifests: [], config }, mediaTypes.ociIndex],
  ] as const) {
    it(`are not pushed: ${what}`, async () => {
      await using registry = await ScriptedRegistry.start({ quirks: { takesIncomplete: true } });
      await using client = quickClient();
      const { descriptor, bytes } = document(sentAs, { schemaVersion: 2, ...body });
      const pusher = await client.pusher(`${registry.host}/team/app:1`);
      await fails(pusher.push(descriptor, openerOf(bytes)), 'bad-document');
      assert.equal(registry.repository('team/app').manifests.size, 0);
    });
  }

  it('are not resolved when their type is not the one they are sent as', async () => {
    await using registry = await ScriptedRegistry.start({ quirks: { headManifest: 405 } });
    const { bytes } = document(mediaTypes.ociIndex, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [],
    });
    registry.repository('team/app').addManifest(mediaTypes.ociManifest, bytes, '1');
    await using client = quickClient();
    await fails(client.resolve(`${registry.host}/team/app:1`), 'bad-document');
  });
});

describe('what is too much', () => {
  type Case = readonly [string, Rule, (client: RegistryClient, name: string) => Promise<unknown>, RegExp];
  const megabytes = (count: number): Buffer => Buffer.alloc(count * 1024 * 1024, 'x');
  const challenge = { status: 401, headers: { 'www-authenticate': 'Bearer realm="/v2/token"' } };
  const cases: readonly Case[] = [
    [
      'a manifest',
      { on: 'GET *', answer: { status: 200, body: megabytes(10) } },
      (client, name) => client.manifest(`${name}:1`),
      /over the limit/,
    ],
    [
      'a page',
      { on: 'GET *', answer: { status: 200, body: megabytes(17) } },
      (client, name) => Array.fromAsync(client.tags(name)),
      /over the limit/,
    ],
    [
      'a token',
      { on: 'GET *token*', answer: { status: 200, body: megabytes(2) } },
      (client, name) => client.manifest(`${name}:1`),
      /over the limit/,
    ],
    [
      'an error, of which the first words are enough',
      { on: '*', answer: { status: 400, body: megabytes(5) }, stallAfter: 1024 * 1024 },
      (client, name) => client.manifest(`${name}:1`),
      /answered 400 x{100}/,
    ],
    [
      'a header',
      { on: '*', raw: `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n` },
      (client, name) => client.manifest(`${name}:1`),
      /Headers Overflow/,
    ],
  ];
  for (const [what, rule, act, message] of cases) {
    it(`is not read: ${what}`, async () => {
      await using registry = await ScriptedRegistry.start();
      registry.add('team/app', image, '1');
      registry.script(rule, { on: '*', answer: challenge });
      await using client = quickClient({ timeouts: { stall: 500 } });
      await assert.rejects(
        act(client, `${registry.host}/team/app`),
        (error) => message.test((error as Error).message) && inspect(error).length < 20_000,
      );
    });
  }

  it('is not a signed location of some kilobytes', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    const signature = 'x'.repeat(20_000);
    registry.script({
      on: /^GET .*manifests\/1$/,
      answer: { status: 307, headers: { location: `/v2/team/app/manifests/${image.root.digest}?sig=${signature}` } },
    });
    await using client = quickClient();
    // Node's own server takes no more than 16 KiB of headers, the path among them.
    registry.script({ on: '*', answer: { status: 200 } });
    await assert.rejects(
      client.manifest(`${registry.host}/team/app:1`),
      (error) => !/HEADERS_OVERFLOW/.test(inspect(error)),
    );
  });
});

describe('secrets', () => {
  it('are in no event and in no error, whatever happens', async () => {
    const accesses: Access[] = [
      { kind: 'basic', users },
      { kind: 'bearer', users },
      { kind: 'bearer', users, post: 400, get: 401, identityTokens: { bot: 'canary-identity' } },
      { kind: 'bearer', users: {}, uses: 1 },
    ];
    for (const access of accesses) {
      await using cdn = await ScriptedRegistry.start();
      cdn.add('team/app', image, '1');
      await using registry = await ScriptedRegistry.start({
        access,
        quirks: { redirectBlobs: `${cdn.origin}/sign`, headers: { 'set-cookie': 'canary-cookie=1' } },
      });
      registry.add('team/app', image, '1');
      cdn.script({ on: 'GET /sign*', answer: { status: 403, body: '<Error/>' } });
      registry.script({
        on: 'GET /v2/*/blobs/*',
        after: 1,
        times: 1,
        answer: {
          status: 307,
          headers: { location: `${cdn.origin}/x?X-Amz-Signature=canary-signature&sig=canary-sig&token=canary-token` },
        },
      });
      registry.script({ on: 'PUT *', times: 1, answer: { status: 503 } });
      const said: unknown[] = [];
      const errors: unknown[] = [];
      const own = { ...passwordCredentials('bot', 'canary-password'), identityToken: new Secret('canary-identity') };
      await using client = quickClient({
        credentials: { get: async () => own },
        onEvent: (event: RegistryEvent) => said.push(event),
      });
      const where = `${registry.host}/team/app`;
      const fetcher = await client.fetcher(where);
      for (const act of [
        () => client.resolve(`${where}:1`),
        () => client.manifest(`${where}:none`),
        ...image.blobs.map(
          ({ descriptor }) =>
            async () =>
              bytesOf(await fetcher.fetch(descriptor)),
        ),
        async () => pushAll(await client.pusher(`${where}:2`), image),
        async () => (await client.pusher(`${where}:2`)).push(blob.descriptor, openerOf(blob.bytes)),
        () => client.verifyLogin(registry.host, own),
        () => Array.fromAsync(client.tags(where)),
      ] as (() => Promise<unknown>)[]) {
        await act().catch((error: unknown) => errors.push(error));
      }
      const text = [
        inspect(said, { depth: 20 }),
        JSON.stringify(said),
        inspect(errors, { depth: 20, showHidden: true }),
        JSON.stringify(errors),
        ...errors.map((error) => (error instanceof Error ? `${error.stack}` : '')),
        inspect(client, { depth: 20, showHidden: true }),
        inspect(own, { depth: 20 }),
      ].join('\n');
      assert.ok(said.length > 5);
      assert.doesNotMatch(text, /canary/);
      for (const token of registry.tokens) assert.ok(!text.includes(token));
      assert.ok(!text.includes(Buffer.from('bot:canary-password').toString('base64')));
    }
  });
});
