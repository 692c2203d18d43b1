import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { describe as group, it } from 'node:test';
import { type Authentication, htpasswd, tokens } from '../../src/registry/index.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { pushImage, type Send, serve, type TestRegistry } from './support.ts';

const image = randomImage({ seed: 'guarded', layers: [10] });
const blob = randomBlob(10, 'guarded');

/** `secret` and `second`, at a cost of 5. */
const hashes = {
  secret: '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a',
  y71: '$2b$05$......................0XCVvzK3c0Ixkfj1w03kS92TqRZUUvy',
};

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function as(registry: TestRegistry, authorization: string): Send {
  return (method, path, options) =>
    registry.send(method, path, { ...options, headers: { ...options?.headers, Authorization: authorization } });
}

group('a password file', () => {
  async function withFile(
    text: string,
    use: (path: string, authentication: Authentication) => Promise<void>,
  ): Promise<void> {
    await using directory = await temporaryDirectory();
    const path = directory.join('htpasswd');
    await writeFile(path, text);
    await use(path, await htpasswd(path));
  }

  it('lets its users do everything, and nobody else anything', async () => {
    await withFile(`# people\n\nme:${hashes.secret}\r\n`, async (_, authentication) => {
      await using registry = await serve({ authentication, metricsPath: '/metrics' });
      assert.equal((await pushImage(as(registry, basic('me', 'secret')), 'app', image, '1')).status, 201);
      for (const path of ['/v2/', '/v2/_catalog', '/v2/app/manifests/1', '/v2/app/tags/list', '/metrics']) {
        assert.equal((await as(registry, basic('me', 'secret'))('GET', path)).status, 200, path);
        for (const wrong of [
          basic('me', 'wrong'),
          basic('you', 'secret'),
          basic('me', ''),
          'Basic',
          'Basic !',
          'Bearer x.y.z',
        ]) {
          const { status, headers, code } = await as(registry, wrong)('GET', path);
          assert.equal(status, 401, wrong);
          assert.match(String(headers['www-authenticate']), /^Basic realm="/);
          assert.equal(code, 'UNAUTHORIZED');
        }
        assert.equal((await registry.send('GET', path)).status, 401);
      }
    });
  });

  it('forgets a user who was taken out of it, and learns a new one, without a restart', async () => {
    await withFile(`me:${hashes.secret}\n`, async (path, authentication) => {
      await using registry = await serve({ authentication });
      const [me, you] = [as(registry, basic('me', 'secret')), as(registry, basic('you', 'y'.repeat(71)))];
      assert.equal((await me('GET', '/v2/')).status, 200);
      await writeFile(path, `you:${hashes.y71}\n`);
      assert.equal((await me('GET', '/v2/')).status, 401);
      assert.equal((await you('GET', '/v2/')).status, 200);
    });
  });

  it('is not looked into for who has gone, so that a flood of wrong passwords keeps nobody waiting', async () => {
    await withFile(`me:${hashes.secret}\n`, async (_, authentication) => {
      const gone = new AbortController();
      const reason = new Error('gone');
      const flood = Array.from({ length: 50 }, (__, n) =>
        authentication.identify(basic('me', `wrong ${n}`), { signal: gone.signal }),
      );
      gone.abort(reason);
      const checked = (await Promise.allSettled(flood)).filter(({ status }) => status === 'fulfilled');
      assert.ok(checked.length <= 2, `${checked.length} passwords were checked for nobody`);
      assert.equal((await authentication.identify(basic('me', 'secret')))?.name, 'me');
    });
  });

  it('that cannot be read lets nobody in', async () => {
    await withFile(`me:${hashes.secret}\n`, async (path, authentication) => {
      await using registry = await serve({ authentication });
      await writeFile(path, 'me:plain\n');
      const { status, body } = await as(registry, basic('me', 'secret'))('GET', '/v2/');
      assert.equal(status, 503);
      assert.ok(!body.toString().includes(path));
    });
  });

  it('with anything but bcrypt, or none at all, is refused at the start', async () => {
    for (const text of ['me:{SHA}xyz', 'me:$apr1$abc$def', 'me', ':$2y$']) {
      await assert.rejects(
        withFile(`ok:${hashes.secret}\n${text}\n`, async () => {}),
        /line 2/,
      );
    }
    await assert.rejects(htpasswd('/nowhere/htpasswd'), { kind: 'not-found' });
  });

  it('is no reason to write a password anywhere', async () => {
    await withFile(`me:${hashes.secret}\n`, async (_, authentication) => {
      await using registry = await serve({ authentication });
      await as(registry, basic('me', 'secret'))('GET', '/v2/');
      await as(registry, basic('me', 'guess-me-not'))('GET', '/v2/');
      const all = JSON.stringify(registry.records);
      for (const hidden of ['secret', 'guess-me-not', hashes.secret, basic('me', 'secret').slice(6)])
        assert.ok(!all.includes(hidden));
      assert.ok(all.includes('"user":"me"'));
    });
  });
});

it("an authentication of the caller's own decides who may do what", async () => {
  const authentication: Authentication = {
    scoped: false,
    identify: async (authorization) => {
      const name = authorization ?? '';
      return name === '' ? undefined : { name, allows: ({ action }) => action === 'pull' || name === 'writer' };
    },
    challenge: () => 'Custom realm="x"',
  };
  await using registry = await serve({ authentication });
  assert.equal((await pushImage(as(registry, 'writer'), 'app', image, '1')).status, 201);
  assert.equal((await as(registry, 'reader')('GET', '/v2/app/manifests/1')).status, 200);
  const refused = await as(registry, 'reader')('DELETE', '/v2/app/manifests/1');
  assert.equal(refused.status, 403);
  assert.equal(refused.code, 'DENIED');
  assert.equal((await registry.send('GET', '/v2/app/manifests/1')).headers['www-authenticate'], 'Custom realm="x"');
});

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const trust = { realm: 'https://auth.test/token', service: 'dray', issuer: 'issuer' };

interface TokenParts {
  readonly header?: object;
  readonly claims?: object;
  readonly key?: KeyObject;
  readonly hash?: string | null;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

const future = Math.floor(Date.now() / 1000) + 3600;

function token({ header = {}, claims = {}, key = rsa.privateKey, hash = 'sha256' }: TokenParts = {}): string {
  const access = [{ type: 'repository', name: 'app', actions: ['pull', 'push'] }];
  const body = encode({ iss: 'issuer', sub: 'ci', aud: 'dray', exp: future, access, ...claims });
  const signed = `${encode({ alg: 'RS256', typ: 'JWT', ...header })}.${body}`;
  return `Bearer ${signed}.${sign(hash, Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

function withKey(key: KeyObject = rsa.publicKey): Authentication {
  return tokens({ ...trust, keys: key.export({ type: 'spki', format: 'pem' }) });
}

group('a token', () => {
  it('is asked for with the scope that is needed', async () => {
    await using registry = await serve({ authentication: withKey(), metricsPath: '/metrics' });
    const digest = blob.descriptor.digest;
    for (const [method, path, scope] of [
      ['GET', '/v2/', undefined],
      ['GET', '/v2/team/app/manifests/1', 'repository:team/app:pull'],
      ['HEAD', `/v2/app/blobs/${digest}`, 'repository:app:pull'],
      ['GET', '/v2/localhost/app/tags/list', 'repository:app:pull'],
      ['GET', `/v2/library/redis/referrers/${digest}?ns=docker.io`, 'repository:docker.io/library/redis:pull'],
      ['POST', '/v2/app/blobs/uploads/', 'repository:app:pull,push'],
      ['PUT', '/v2/app/manifests/1', 'repository:app:pull,push'],
      ['PATCH', '/v2/app/blobs/uploads/x', 'repository:app:pull,push'],
      ['DELETE', '/v2/app/blobs/uploads/x', 'repository:app:pull,push'],
      ['DELETE', '/v2/app/manifests/1', 'repository:app:delete'],
      ['DELETE', `/v2/app/blobs/${digest}`, 'repository:app:delete'],
      ['GET', '/v2/_catalog', 'registry:catalog:*'],
      ['GET', '/metrics', 'registry:metrics:*'],
    ] as const) {
      const { status, headers } = await registry.send(method, path);
      assert.equal(status, 401);
      const expected = `Bearer realm="https://auth.test/token",service="dray"${scope === undefined ? '' : `,scope="${scope}"`}`;
      assert.equal(headers['www-authenticate'], expected);
    }
  });

  it('gives what it grants and nothing else', async () => {
    await using registry = await serve({ authentication: withKey() });
    const send = as(registry, token());
    assert.equal((await pushImage(send, 'app', image, '1')).status, 201);
    for (const [method, path] of [
      ['GET', '/v2/other/manifests/1'],
      ['DELETE', '/v2/app/manifests/1'],
      ['DELETE', `/v2/app/blobs/${blob.descriptor.digest}`],
      ['GET', '/v2/_catalog'],
      ['POST', '/v2/application/blobs/uploads/'],
    ] as const) {
      const { status, headers } = await send(method, path);
      assert.equal(status, 401, `${method} ${path}`);
      assert.match(String(headers['www-authenticate']), /error="insufficient_scope"/);
    }
    const pull = as(registry, token({ claims: { access: [{ type: 'repository', name: 'app', actions: ['pull'] }] } }));
    assert.equal((await pull('GET', '/v2/app/manifests/1')).status, 200);
    for (const method of ['PUT', 'DELETE']) assert.equal((await pull(method, '/v2/app/manifests/1')).status, 401);
    const all = as(registry, token({ claims: { access: [{ type: 'registry', name: 'catalog', actions: ['*'] }] } }));
    assert.equal((await all('GET', '/v2/_catalog')).status, 200);
    assert.equal((await all('GET', '/v2/app/manifests/1')).status, 401);
  });

  for (const [what, parts] of [
    ['signed by a stranger', { key: stranger.privateKey }],
    [
      'signed by a stranger who brings the key along',
      { key: stranger.privateKey, header: { jwk: stranger.publicKey.export({ format: 'jwk' }) } },
    ],
    [
      'signed by a stranger who names the right key',
      { key: stranger.privateKey, header: { kid: 'known', jwk: rsa.publicKey.export({ format: 'jwk' }) } },
    ],
    ['with a certificate chain of its own', { key: stranger.privateKey, header: { x5c: ['MIIB'] } }],
    ['of another issuer', { claims: { iss: 'somebody' } }],
    ['for another service', { claims: { aud: ['elsewhere'] } }],
    ['that has expired', { claims: { exp: future - 7200 } }],
    ['that is not valid yet', { claims: { nbf: future } }],
    ['without an end', { claims: { exp: undefined } }],
    ['with critical extensions', { header: { crit: ['b64'], b64: false } }],
    ['with malformed rights', { claims: { access: 'all' } }],
    ['under another algorithm than its signature', { header: { alg: 'RS512' } }],
    ['under an algorithm for other keys', { header: { alg: 'ES256' } }],
    ["under the name of an object's property", { header: { alg: 'constructor' } }],
  ] as readonly [string, TokenParts][]) {
    it(`${what} is nobody's`, async () => {
      await using registry = await serve({ authentication: withKey() });
      const { status, headers } = await as(registry, token(parts))('GET', '/v2/app/tags/list');
      assert.equal(status, 401);
      assert.doesNotMatch(String(headers['www-authenticate']), /insufficient/);
    });
  }

  it("without a signature, or signed with the public key as a secret, is nobody's", async () => {
    await using registry = await serve({ authentication: withKey() });
    const claims = token().split('.')[1] ?? '';
    const none = `Bearer ${encode({ alg: 'none' })}.${claims}.`;
    const signed = `${encode({ alg: 'HS256' })}.${claims}`;
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
    const confused = `Bearer ${signed}.${createHmac('sha256', pem).update(signed).digest('base64url')}`;
    for (const header of [none, `${none}x`, confused, 'Bearer', 'Bearer a.b.c', `Bearer ${'a'.repeat(9000)}.b.c`]) {
      assert.equal((await as(registry, header)('GET', '/v2/')).status, 401);
    }
  });

  it('is verified by keys of every kind', async () => {
    for (const [alg, keys, hash] of [
      ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'sha256'],
      ['ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' }), 'sha384'],
      ['EdDSA', generateKeyPairSync('ed25519'), null],
      ['RS512', rsa, 'sha512'],
    ] as const) {
      await using registry = await serve({ authentication: withKey(keys.publicKey) });
      const header = token({ header: { alg }, key: keys.privateKey, hash });
      assert.equal((await as(registry, header)('GET', '/v2/')).status, 200, alg);
    }
  });

  it('is verified by a key of a set, named or not', async () => {
    const jwks = JSON.stringify({
      keys: [
        { ...stranger.publicKey.export({ format: 'jwk' }), kid: 'other' },
        { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'mine' },
      ],
    });
    await using registry = await serve({ authentication: tokens({ ...trust, keys: jwks }) });
    for (const header of [{ kid: 'mine' }, {}, { kid: 'a fingerprint' }]) {
      assert.equal((await as(registry, token({ header }))('GET', '/v2/')).status, 200);
    }
    assert.equal((await as(registry, token({ header: { kid: 'other' } }))('GET', '/v2/')).status, 401);
  });

  it('cannot be trusted by a secret, a private key or nothing', () => {
    const secret = JSON.stringify({ kty: 'oct', k: 'c2VjcmV0' });
    const own = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' });
    for (const keys of [
      '',
      'nonsense',
      '{',
      '{}',
      '{"keys":[]}',
      secret,
      own,
      JSON.stringify(rsa.privateKey.export({ format: 'jwk' })),
    ]) {
      assert.throws(() => tokens({ ...trust, keys }), { kind: 'invalid-argument' });
    }
  });
});
