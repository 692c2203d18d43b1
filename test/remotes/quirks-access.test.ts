import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { describe, it } from 'node:test';
import { because, is } from '../../src/errors.ts';
import {
  type CredentialSource,
  type Credentials,
  noCredentials,
  passwordCredentials,
} from '../../src/remotes/docker/credentials.ts';
import type { RegistryEvent } from '../../src/remotes/docker/events.ts';
import { Secret } from '../../src/remotes/docker/secret.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { randomBlob, randomImage } from '../../src/testing/random.ts';
import { type Access, registryFailure, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { listening } from '../support/loopback.ts';
import { openerOf, pushAll, quickClient } from '../support/registry-client.ts';

const image = randomImage({ seed: 'access', layers: [1000] });
const bot = passwordCredentials('bot', 'secret', 'config.json');
const users = { bot: 'secret' };

interface Scene {
  readonly registry: ScriptedRegistry;
  readonly name: string;
  readonly client: ReturnType<typeof quickClient>;
  readonly events: readonly RegistryEvent[];
  /** The requests as method, place and status: `GET token 200`. */
  steps(): string[];
}

async function scene(
  access: Access,
  credentials: Credentials | CredentialSource | undefined,
  test: (scene: Scene) => Promise<void>,
): Promise<void> {
  await using registry = await ScriptedRegistry.start({ access });
  registry.add('team/app', image, '1');
  const source =
    credentials === undefined ? noCredentials : 'get' in credentials ? credentials : { get: async () => credentials };
  const events: RegistryEvent[] = [];
  await using client = quickClient({ credentials: source, onEvent: (event) => events.push(event) });
  await test({
    registry,
    name: `${registry.host}/team/app`,
    client,
    events,
    steps: () =>
      registry.requests.map(({ method, url, status }) => {
        const place = /^\/token/.test(url) ? 'token' : (url.split('?')[0]?.split('/').at(-2) ?? '');
        return `${method} ${place} ${status}`;
      }),
  });
}

function tokenQueries({ registry }: Scene): URLSearchParams[] {
  return registry.requests
    .filter(({ url }) => url.startsWith('/token'))
    .map(({ url }) => new URLSearchParams(url.split('?')[1]));
}

describe('tokens', () => {
  it('cost two requests at the first contact and none from then on', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      await scene.client.resolve(`${scene.name}:1`);
      assert.deepEqual(scene.steps(), ['HEAD manifests 401', 'GET token 200', 'HEAD manifests 200']);
      await scene.client.resolve(`${scene.name}:1`);
      await scene.client.manifest(`${scene.name}:1`);
      assert.equal(scene.registry.requests.length, 5);
    });
  });

  it('come uncoded as all else does, so that lengths are those of the bytes', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      await scene.client.resolve(`${scene.name}:1`);
      await Array.fromAsync(scene.client.tags(scene.name));
      await Array.fromAsync(scene.client.referrers(`${scene.name}:1`));
      await pushAll(await scene.client.pusher(`${scene.name}:2`), randomImage({ seed: 'uncoded', layers: [100_000] }));
      assert.ok(scene.registry.requests.length > 10);
      for (const { headers } of scene.registry.requests) assert.equal(headers['accept-encoding'], 'identity');
    });
  });

  it('are asked for with the password, the service, the account and no more than reading', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      await scene.client.resolve(`${scene.name}:1`);
      const [query] = tokenQueries(scene);
      assert.equal(query?.get('service'), 'scripted');
      assert.equal(query?.get('account'), 'bot');
      assert.deepEqual(query?.getAll('scope'), ['repository:team/app:pull']);
    });
  });

  it('are asked for without a name where there is none, and are enough for what is public', async () => {
    await scene({ kind: 'bearer', publicRepositories: ['team/app'] }, undefined, async (scene) => {
      await scene.client.resolve(`${scene.name}:1`);
      assert.equal(scene.registry.requests[1]?.headers['authorization'], undefined);
    });
  });

  it('for writing serve reading as well', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      await pushAll(await scene.client.pusher(`${scene.name}:1@${image.root.digest}`), image);
      await scene.client.resolve(`${scene.name}:1`);
      assert.equal(tokenQueries(scene).length, 1);
      assert.deepEqual(tokenQueries(scene)[0]?.getAll('scope'), ['repository:team/app:pull,push']);
    });
  });

  it('are fetched once, however many need them at the same moment', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      await Promise.all(Array.from({ length: 12 }, () => scene.client.resolve(`${scene.name}:1`)));
      assert.equal(tokenQueries(scene).length, 1);
    });
  });

  it('are fetched though as many requests as may go on at once wait for them', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      await Promise.all(Array.from({ length: 40 }, () => scene.client.resolve(`${scene.name}:1`)));
    });
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      const busy = registryFailure(429, 'TOOMANYREQUESTS');
      scene.registry.script({ on: 'HEAD *', times: 4, answer: { ...busy, headers: { 'retry-after': '0' } } });
      await scene.client.resolve(`${scene.name}:1`);
    });
  });

  it('are fetched for others when the one who asked first gives up', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      scene.registry.script({ on: 'GET /token*', delay: 100 });
      const controller = new AbortController();
      const reason = new Error('enough');
      const first = scene.client.resolve(`${scene.name}:1`, { signal: controller.signal });
      const second = scene.client.resolve(`${scene.name}:1`);
      setTimeout(() => controller.abort(reason), 40);
      await assert.rejects(first, reason);
      assert.equal((await second).target.digest, image.root.digest);
      assert.equal(tokenQueries(scene).length, 1);
    });
  });

  it('are replaced when they are not taken any more, in the middle of a push as well', async () => {
    await scene({ kind: 'bearer', users, uses: 2 }, bot, async (scene) => {
      const other = randomImage({ seed: 'long push', layers: [100_000, 200_000] });
      await pushAll(await scene.client.pusher(`${scene.name}:2@${other.root.digest}`), other);
      assert.deepEqual((await scene.client.resolve(`${scene.name}:2`)).target, other.root);
      assert.ok(tokenQueries(scene).length > 2);
    });
  });

  it('are replaced when they have expired between two attempts of one request', async () => {
    await scene({ kind: 'bearer', users, uses: 1 }, bot, async (scene) => {
      scene.registry.script({ on: 'GET /v2/*', after: 1, times: 1, resetAnswer: true });
      assert.deepEqual((await scene.client.manifest(`${scene.name}:1`)).descriptor, image.root);
      assert.equal(tokenQueries(scene).length, 2);
    });
  });

  it('are replaced between the chunks of a push, which goes on where it was', async () => {
    const quirks = { bodyLimit: 100_000 };
    await using registry = await ScriptedRegistry.start({ access: { kind: 'bearer', users, uses: 2 }, quirks });
    await using client = quickClient({ credentials: { get: async () => bot }, chunkSize: 65_536 });
    const blob = randomBlob(300_000, 'between chunks');
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    // The token server is away for longer than one request for a token lasts.
    registry.script({ on: '* /token*', after: 3, times: 6, answer: { status: 503 } });
    assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes)), 'pushed');
    const chunks = registry.requests.filter(({ method }) => method === 'PATCH');
    assert.ok(registry.requests.some(({ url, status }) => url.startsWith('/token') && status === 503));
    assert.ok(chunks.some(({ status }) => status === 401));
    const taken = chunks.filter(({ status }) => status === 202).map(({ headers }) => headers['content-range']);
    assert.deepEqual(taken, ['0-65535', '65536-131071', '131072-196607', '196608-262143', '262144-299999']);
  });

  it('are fetched anew before they expire', async (context) => {
    await scene({ kind: 'bearer', users, expiresIn: 300 }, bot, async (scene) => {
      const now = performance.now.bind(performance);
      let later = 0;
      context.mock.method(performance, 'now', () => now() + later);
      await scene.client.resolve(`${scene.name}:1`);
      later = 230_000;
      await scene.client.resolve(`${scene.name}:1`);
      assert.equal(scene.registry.requests.length, 4);
      later = 250_000;
      await scene.client.resolve(`${scene.name}:1`);
      assert.deepEqual(scene.steps().slice(4), ['GET token 200', 'HEAD manifests 200']);
    });
  });

  it('live for a minute at least, whatever is said of them', async (context) => {
    for (const expiresIn of [0, 1, -5, '3600']) {
      await scene({ kind: 'bearer', users, expiresIn }, bot, async (scene) => {
        const now = performance.now.bind(performance);
        let later = 0;
        const clock = context.mock.method(performance, 'now', () => now() + later);
        await scene.client.resolve(`${scene.name}:1`);
        for (later of [40_000, 60_000]) await scene.client.resolve(`${scene.name}:1`);
        clock.mock.restore();
        const asked = scene.steps().map((step) => step.split(' ')[1]);
        assert.deepEqual(asked.slice(2), ['manifests', 'manifests', 'token', 'manifests']);
      });
    }
  });

  it('are asked for with what is missing first, since some servers read no more', async () => {
    const challenge = ['Bearer realm="{realm}",service="scripted",scope="repository:elsewhere/app:pull"'];
    await scene({ kind: 'bearer', users, challenge }, bot, async (scene) => {
      await scene.client.resolve(`${scene.name}:1`);
      assert.deepEqual(tokenQueries(scene)[0]?.getAll('scope'), [
        'repository:elsewhere/app:pull',
        'repository:team/app:pull',
      ]);
    });
  });

  it('for clearing a session away are asked for with the right to delete, as docker-registry wants it', async () => {
    const access: Access = { kind: 'bearer', users };
    await using registry = await ScriptedRegistry.start({ access, quirks: { cancelAction: 'delete' } });
    await using client = quickClient({ credentials: { get: async () => bot } });
    const blob = randomBlob(200_000, 'cancelled');
    const controller = new AbortController();
    const reason = new Error('enough');
    const pusher = await client.pusher(`${registry.host}/team/app:1`);
    const open = async function* (): AsyncGenerator<Uint8Array> {
      yield blob.bytes.subarray(0, 1000);
      controller.abort(reason);
      yield blob.bytes.subarray(1000);
    };
    await assert.rejects(pusher.push(blob.descriptor, open, { signal: controller.signal }), reason);
    assert.equal(registry.repository('team/app').sessions.size, 0);
    assert.ok(registry.log().some((line) => /^DELETE .* 204$/.test(line)));
  });

  it('that a registry has never seen are not asked for again and again', async () => {
    await scene({ kind: 'bearer', users, uses: 0 }, bot, async (scene) => {
      await assert.rejects(
        scene.client.resolve(`${scene.name}:1`),
        (error) => is(error, 'unauthenticated') && error.context.credentials === 'config.json (user "bot")',
      );
      assert.ok(scene.registry.requests.length <= 8, scene.steps().join());
    });
  });

  it('are asked for with more rights when a registry says that they are not enough', async () => {
    await scene({ kind: 'bearer', users, forgetsScopes: true }, bot, async (scene) => {
      assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
      assert.ok(scene.registry.requests.length <= 6, scene.steps().join());
    });
  });

  for (const [what, access] of [
    ['in a field of another name', { field: 'access_token' }],
    ['without a lifetime', { expiresIn: 0 }],
    ['with a lifetime below what the specification allows', { expiresIn: 1 }],
    ['behind a relative realm', { challenge: ['Bearer realm="/token",service="scripted"'] }],
    [
      'behind a realm with a query',
      { challenge: ['Bearer realm="{realm}?tenant=1",service="scripted",scope="{scope}"'] },
    ],
    ['behind a challenge without a scope', { challenge: ['Bearer realm="{realm}"'] }],
    ['behind a challenge in capitals', { challenge: ['BEARER REALM="{realm}",SERVICE="scripted",SCOPE="{scope}"'] }],
    [
      'behind one of several challenges in one line',
      { challenge: ['Negotiate, Basic realm="x", Bearer realm="{realm}",scope="{scope}"'] },
    ],
    [
      'behind one of several challenges in several lines',
      { challenge: ['Basic realm="x"', 'Bearer realm="{realm}",scope="{scope}"'] },
    ],
  ] as const) {
    it(`are got ${what}`, async () => {
      await scene({ kind: 'bearer', users, ...access }, bot, async (scene) => {
        assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
      });
    });
  }

  it('keep the query of the realm', async () => {
    const challenge = ['Bearer realm="{realm}?tenant=1",service="scripted",scope="{scope}"'];
    await scene({ kind: 'bearer', users, challenge }, bot, async (scene) => {
      await scene.client.resolve(`${scene.name}:1`);
      assert.equal(tokenQueries(scene)[0]?.get('tenant'), '1');
    });
  });

  it('are asked for by POST where GET with a password is refused', async () => {
    for (const get of [401, 404, 405]) {
      await scene({ kind: 'bearer', users, get }, bot, async (scene) => {
        await scene.client.resolve(`${scene.name}:1`);
        assert.deepEqual(scene.steps().slice(1, 3), [`GET token ${get}`, 'POST token 200']);
      });
    }
  });

  it('of an identity are exchanged by POST, though the password beside it is empty, as ACR leaves it', async () => {
    const identity = {
      username: '00000000-0000-0000-0000-000000000000',
      identityToken: new Secret('refresh'),
      source: 'config.json',
    };
    await scene({ kind: 'bearer', identityTokens: { someone: 'refresh' } }, identity, async (scene) => {
      await scene.client.resolve(`${scene.name}:1`);
      assert.deepEqual(scene.steps()[1], 'POST token 200');
      assert.equal(scene.registry.requests[1]?.headers['authorization'], undefined);
    });
  });

  it('of an identity are for several repositories at once as well', async () => {
    const mine = { identityToken: new Secret('mine'), source: 'config.json' };
    await scene({ kind: 'bearer', identityTokens: { bot: 'mine' } }, mine, async (scene) => {
      const blob = randomBlob(100_000, 'mount');
      scene.registry.repository('team/other').addBlob(blob.bytes);
      const pusher = await scene.client.pusher(`${scene.name}:1`, { mountFrom: async () => ['team/other'] });
      assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes)), 'mounted');
    });
  });

  it('of an identity are exchanged by what an earlier exchange gave, and by the identity where that has run out', async () => {
    const mine = { identityToken: new Secret('mine'), source: 'config.json' };
    const access: Access = { kind: 'bearer', identityTokens: { bot: 'mine' }, refreshToken: 'run out' };
    await scene(access, mine, async (scene) => {
      scene.registry.add('team/other', image, '1');
      await scene.client.resolve(`${scene.name}:1`);
      await scene.client.resolve(`${scene.registry.host}/team/other:1`);
      assert.deepEqual(
        scene.steps().filter((step) => step.includes('token')),
        ['POST token 200', 'POST token 401', 'POST token 200'],
      );
    });
  });

  it('are asked for by GET where POST is not known, as in Google’s and old servers', async () => {
    for (const post of [400, 401, 404, 405]) {
      const both = { ...bot, identityToken: new Secret('refresh') };
      await scene({ kind: 'bearer', users, post }, both, async (scene) => {
        await scene.client.resolve(`${scene.name}:1`);
        assert.deepEqual(scene.steps().slice(1, 3), [`POST token ${post}`, 'GET token 200']);
      });
    }
  });

  it('that the registry takes as they are are sent at once', async () => {
    await scene(
      { kind: 'bearer', users },
      { registryToken: new Secret('raw'), source: 'config.json' },
      async (scene) => {
        await fails(scene.client.resolve(`${scene.name}:1`), 'unauthenticated');
        assert.equal(scene.registry.requests[0]?.headers['authorization'], 'Bearer raw');
        assert.equal(tokenQueries(scene).length, 0);
      },
    );
  });

  it('of a mount name both repositories, the missing one first, and are done without where one is refused', async () => {
    const access: Access = { kind: 'bearer', users, refusedScopes: ['private/other'] };
    await scene(access, bot, async (scene) => {
      const blob = randomBlob(100_000, 'mount');
      scene.registry.repository('private/other').addBlob(blob.bytes);
      const pusher = await scene.client.pusher(`${scene.name}:1`, { mountFrom: async () => ['private/other'] });
      assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes)), 'pushed');
      const scopes = tokenQueries(scene).map((query) => query.getAll('scope'));
      assert.ok(scopes.some((all) => all.length === 2 && all.includes('repository:private/other:pull')));
    });
    const challenge = ['Bearer realm="{realm}",service="scripted"'];
    await scene({ kind: 'bearer', users, challenge }, bot, async (scene) => {
      const blob = randomBlob(100_000, 'mount');
      scene.registry.repository('team/other').addBlob(blob.bytes);
      const pusher = await scene.client.pusher(`${scene.name}:1`, { mountFrom: async () => ['team/other'] });
      assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes)), 'mounted');
    });
  });

  it('for the first scope alone keep nobody from sending what could not be mounted', async () => {
    await scene({ kind: 'bearer', users, firstScopeOnly: true }, bot, async (scene) => {
      const blob = randomBlob(100_000, 'first scope');
      scene.registry.repository('team/other').addBlob(blob.bytes);
      const pusher = await scene.client.pusher(`${scene.name}:1`, { mountFrom: async () => ['team/other'] });
      assert.equal(await pusher.push(blob.descriptor, openerOf(blob.bytes)), 'pushed');
    });
  });

  it('from a stranger’s server, which gets the password, are worth a word', async () => {
    await using stranger = await ScriptedRegistry.start({ access: { kind: 'bearer', users } });
    const realm = `http://localhost:${stranger.host.split(':')[1]}/token`;
    await scene({ kind: 'bearer', users, realm }, bot, async (scene) => {
      const pusher = await scene.client.pusher(`${scene.name}:1`);
      const blob = randomBlob(10, 'stranger');
      for (let times = 0; times < 2; times += 1)
        await fails(pusher.push(blob.descriptor, openerOf(blob.bytes)), 'unauthenticated');
      const told = scene.events.flatMap((event) => (event.type === 'fallback' ? [event.text] : []));
      assert.equal(told.filter((text) => /gets the credentials/.test(text)).length, 1, told.join());
    });
  });

  it('that cannot be got are an error of the token server, with what it says', async () => {
    await scene({ kind: 'bearer', users }, passwordCredentials('bot', 'wrong', 'config.json'), async (scene) => {
      const pusher = await scene.client.pusher(`${scene.name}:1`);
      const blob = randomBlob(10, 'refused');
      await assert.rejects(
        pusher.push(blob.descriptor, openerOf(blob.bytes)),
        (error) =>
          is(error, 'unauthenticated') &&
          error.context.operation === 'get a token' &&
          /incorrect username or password/.test(error.message) &&
          error.context.credentials === 'config.json (user "bot")',
      );
    });
  });

  it('answered with something else are an error that says so', async () => {
    for (const body of ['<html>', '{}', '{"token":""}', '{"token":"a\\r\\nb: c"}', '[]']) {
      await scene({ kind: 'bearer', users }, bot, async (scene) => {
        scene.registry.script({ on: 'GET /token*', answer: { status: 200, body } });
        await fails(scene.client.resolve(`${scene.name}:1`), 'unavailable', /without a token/);
      });
    }
  });

  it('are in no error, whatever the status they came with', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      scene.registry.script({ on: 'GET /token*', answer: { status: 202, body: '{"access_token":"sesame"}' } });
      await assert.rejects(
        scene.client.resolve(`${scene.name}:1`),
        (error) => is(error, 'unauthenticated') && !JSON.stringify(error).includes('sesame'),
      );
    });
  });

  it('are not asked of a server for ever that was named by mistake', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      const mistaken = { 'www-authenticate': `Bearer realm="${scene.registry.origin}/nowhere"` };
      scene.registry.script({ on: 'HEAD *', times: 1, answer: { status: 401, headers: mistaken } });
      await fails(scene.client.resolve(`${scene.name}:1`), 'not-found');
      assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
    });
  });

  it('may come beside an empty field of the other name', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      scene.registry.script({
        on: 'GET /token*',
        answer: { status: 200, body: '{"token":"known","access_token":null}' },
      });
      await fails(scene.client.resolve(`${scene.name}:1`), 'unauthenticated');
      assert.ok(scene.registry.requests.some(({ headers }) => headers['authorization'] === 'Bearer known'));
    });
  });

  it('are asked for again when the answer breaks off', async () => {
    for (const broken of [{ truncateAfter: 10 }, { resetAfter: 10 }]) {
      await scene({ kind: 'bearer', users }, bot, async (scene) => {
        scene.registry.script({ on: 'GET /token*', times: 1, ...broken });
        assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
      });
    }
  });

  it('are asked for again when the token server is busy', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      scene.registry.script({ on: 'GET /token*', times: 1, answer: { status: 429, headers: { 'retry-after': '0' } } });
      scene.registry.script({ on: 'GET /token*', times: 1, answer: { status: 503 } });
      scene.registry.script({ on: 'GET /token*', times: 1, reset: true });
      await scene.client.resolve(`${scene.name}:1`);
    });
  });
});

describe('passwords', () => {
  it('are sent when they are asked for and from then on at once, as ECR wants them', async () => {
    await scene({ kind: 'basic', users }, bot, async (scene) => {
      await scene.client.resolve(`${scene.name}:1`);
      await scene.client.resolve(`${scene.name}:1`);
      assert.deepEqual(scene.steps(), ['HEAD manifests 401', 'HEAD manifests 200', 'HEAD manifests 200']);
    });
  });

  it('with odd characters arrive as they are', async () => {
    const name = 'robot$team+ci';
    const password = 'p:ä"\\ $';
    await scene({ kind: 'basic', users: { [name]: password } }, passwordCredentials(name, password), async (scene) => {
      await scene.client.resolve(`${scene.name}:1`);
    });
  });

  it('are used where the token server has turned them down and both were offered', async () => {
    const challenge = ['Bearer realm="{realm}",scope="{scope}"', 'Basic realm="x"'];
    await using registry = await ScriptedRegistry.start({ access: { kind: 'basic', users, challenge } });
    registry.add('team/app', image, '1');
    registry.script({ on: '* /token*', answer: { status: 403, body: '{"details":"no tokens for you"}' } });
    await using client = quickClient({ credentials: { get: async () => bot } });
    assert.equal((await client.resolve(`${registry.host}/team/app:1`)).target.digest, image.root.digest);
  });

  it('that are missing are said to be', async () => {
    await scene({ kind: 'basic', users }, undefined, async (scene) => {
      await assert.rejects(
        scene.client.resolve(`${scene.name}:1`),
        (error) =>
          is(error, 'unauthenticated') &&
          error.context.credentials === 'none' &&
          /dray login/.test(error.context.hint ?? ''),
      );
      assert.equal(scene.registry.requests.length, 2);
    });
  });

  it('are asked for anew when they have expired, since helpers give such', async () => {
    let password = 'old';
    const source: CredentialSource = { get: async () => passwordCredentials('AWS', password) };
    await scene({ kind: 'basic', users: { AWS: 'new' } }, source, async (scene) => {
      const failing = scene.client.resolve(`${scene.name}:1`);
      await fails(failing, 'unauthenticated');
      password = 'new';
      assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
    });
  });
});

describe('credentials that do not work', () => {
  it('do not keep anybody from what is public', async () => {
    const wrong = passwordCredentials('bot', 'wrong', 'config.json');
    await scene({ kind: 'bearer', users, publicRepositories: ['team/app'] }, wrong, async (scene) => {
      assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
      const told = scene.events.filter(({ type }) => type === 'fallback');
      assert.equal(told.length, 1);
      assert.ok(JSON.stringify(told).includes('config.json'));
    });
  });

  it('for one repository work for another, on this day and the next', async (context) => {
    const access: Access = { kind: 'bearer', users, refusedScopes: ['team/forbidden'] };
    await scene(access, bot, async (scene) => {
      scene.registry.add('team/forbidden', image, '1');
      await fails(scene.client.resolve(`${scene.registry.host}/team/forbidden:1`), 'permission-denied');
      assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
    });
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      scene.registry.script({ on: '* /token*', times: 3, answer: { status: 401 } });
      await assert.rejects(scene.client.resolve(`${scene.name}:1`));
      const now = performance.now();
      context.mock.method(performance, 'now', () => now + 24 * 3_600_000);
      assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
    });
  });

  it('for what was to be mounted work for what is read', async () => {
    const access: Access = { kind: 'bearer', users, refusedScopes: ['private/other'] };
    await scene(access, bot, async (scene) => {
      const blob = randomBlob(100_000, 'mount');
      const pusher = await scene.client.pusher(`${scene.name}:1`, { mountFrom: async () => ['private/other'] });
      await pusher.push(blob.descriptor, openerOf(blob.bytes));
      scene.registry.add('team/third', image, '1');
      const { target } = await scene.client.resolve(`${scene.registry.host}/team/third:1`);
      assert.equal(target.digest, image.root.digest);
    });
  });

  it('are tried once, however much is read', async () => {
    const wrong = passwordCredentials('bot', 'wrong', 'config.json');
    const access: Access = { kind: 'bearer', users, publicRepositories: ['team/app', 'team/other'] };
    await scene(access, wrong, async (scene) => {
      scene.registry.add('team/other', image, '1');
      for (const name of ['app', 'other', 'app']) await scene.client.resolve(`${scene.registry.host}/team/${name}:1`);
      const tried = scene.steps().filter((step) => step.endsWith('token 401'));
      assert.deepEqual(tried, ['GET token 401', 'POST token 401']);
    });
    await scene({ ...access, get: 403, post: 403 }, wrong, async (scene) => {
      for (let times = 0; times < 3; times += 1) await scene.client.resolve(`${scene.name}:1`);
      assert.deepEqual(
        scene.steps().filter((step) => step.includes('token')),
        ['GET token 403', 'POST token 403', 'GET token 200'],
      );
    });
  });

  it('because their source fails, neither', async () => {
    const broken: CredentialSource = {
      get: async () => {
        throw new Error('the helper is not there');
      },
    };
    await scene({ kind: 'bearer', publicRepositories: ['team/app'] }, broken, async (scene) => {
      assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
      assert.ok(scene.events.some((event) => event.type === 'fallback' && /helper/.test(event.text)));
      const pusher = await scene.client.pusher(`${scene.name}:1`);
      const blob = randomBlob(10, 'broken');
      await assert.rejects(pusher.push(blob.descriptor, openerOf(blob.bytes)), /helper is not there/);
    });
  });

  it('are tried where a registry hides what it has from strangers', async () => {
    await scene({ kind: 'bearer', users }, bot, async (scene) => {
      const hidden = { status: 404, body: '{"errors":[{"code":"NAME_UNKNOWN"}]}' };
      scene.registry.script({ on: /^(GET|HEAD) \/v2\/team\/app\/manifests\/1$/, times: 2, answer: hidden });
      assert.equal((await scene.client.resolve(`${scene.name}:1`)).target.digest, image.root.digest);
    });
  });
});

describe('credentials of one repository', () => {
  it('are used for it alone', async () => {
    const source: CredentialSource = {
      get: async (_registry, repository) =>
        repository === 'team/app' ? bot : passwordCredentials('other', 'password', 'config.json'),
    };
    await scene({ kind: 'bearer', users: { ...users, other: 'password' } }, source, async (scene) => {
      scene.registry.add('team/other', image, '1');
      await scene.client.resolve(`${scene.name}:1`);
      await scene.client.resolve(`${scene.registry.host}/team/other:1`);
      assert.deepEqual(
        tokenQueries(scene).map((query) => query.get('account')),
        ['bot', 'other'],
      );
    });
  });
});

/** A host with a registry for each team behind it, which takes tokens of the team's own server; gives that host and what was asked. */
async function teams(test: (host: string, asked: readonly string[]) => Promise<void>): Promise<void> {
  const asked: string[] = [];
  const server = createServer(({ method, url = '', headers }, answer) => {
    const { pathname, searchParams: query } = new URL(url, 'http://host');
    const [, kind = '', team = ''] = pathname.split('/');
    asked.push(`${method} ${kind} ${team} ${query.get('account') ?? ''}`.trimEnd());
    if (kind === 'token') {
      const isOwn = query.get('scope')?.startsWith(`repository:${team}/`) === true;
      answer.writeHead(isOwn ? 200 : 403).end(JSON.stringify({ token: team }));
    } else if (headers.authorization === `Bearer ${team}`) {
      const { digest, mediaType, size } = image.root;
      answer
        .writeHead(200, { 'docker-content-digest': digest, 'content-type': mediaType, 'content-length': size })
        .end();
    } else answer.writeHead(401, { 'www-authenticate': `Bearer realm="/token/${team}",service="${team}"` }).end();
  });
  await using listener = await listening(server);
  await test(listener.host, asked);
}

describe('a host with several registries behind it', () => {
  it('is asked by each repository for its own token server', async () => {
    await teams(async (host, asked) => {
      await using client = quickClient({ credentials: { get: async () => bot } });
      for (const team of ['red', 'blue', 'red', 'blue']) await client.resolve(`${host}/${team}/app:1`);
      assert.deepEqual(asked.slice(-4), ['GET token blue bot', 'HEAD v2 blue', 'HEAD v2 red', 'HEAD v2 blue']);
    });
  });

  it('gets the password of one at the token server of no other', async () => {
    await teams(async (host, asked) => {
      const get: CredentialSource['get'] = async (_, repository = '') => passwordCredentials(repository, 'secret');
      await using client = quickClient({ credentials: { get } });
      for (const team of ['red', 'blue']) await client.resolve(`${host}/${team}/app:1`);
      const tokens = asked.filter((line) => line.includes('token'));
      assert.deepEqual(tokens, ['GET token red red/app', 'GET token blue blue/app']);
    });
  });
});

describe('logging in', () => {
  it('is verified by the registry', async () => {
    for (const kind of ['basic', 'bearer'] as const) {
      await scene({ kind, users }, undefined, async ({ client, registry }) => {
        assert.equal(await client.verifyLogin(registry.host, bot), true);
      });
      await scene({ kind, users }, undefined, async ({ client, registry }) => {
        await fails(client.verifyLogin(registry.host, passwordCredentials('bot', 'wrong')), 'unauthenticated');
      });
    }
  });

  it('is not verified by a registry that lets everybody in', async () => {
    await using registry = await ScriptedRegistry.start();
    await using client = quickClient();
    assert.equal(await client.verifyLogin(registry.host, bot), false);
  });

  it('says so when there is no registry', async () => {
    await using registry = await ScriptedRegistry.start({ prefix: '/elsewhere' });
    await using client = quickClient();
    await fails(client.verifyLogin(registry.host, bot), 'not-found');
  });
});

describe('limits', () => {
  it('that a registry tells are passed on', async () => {
    const headers = { 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': '76;w=21600', 'RateLimit-Reset': '30' };
    await using registry = await ScriptedRegistry.start({ quirks: { headers } });
    registry.add('team/app', image, '1');
    const events: RegistryEvent[] = [];
    await using client = quickClient({ onEvent: (event) => events.push(event) });
    await client.resolve(`${registry.host}/team/app:1`);
    assert.deepEqual(
      events.filter(({ type }) => type === 'rate-limit'),
      [{ type: 'rate-limit', registry: registry.host, limit: 100, remaining: 76, window: 21_600_000, reset: 30_000 }],
    );
  });

  it('hold back every request to the registry, not only the one that was turned away', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.add('team/app', image, '1');
    registry.script({ on: 'HEAD *', times: 1, answer: { status: 429, headers: { 'retry-after': '1' } } });
    const events: RegistryEvent[] = [];
    await using client = quickClient({ onEvent: (event) => events.push(event) });
    const first = client.resolve(`${registry.host}/team/app:1`);
    while (!events.some(({ type }) => type === 'wait')) await new Promise((resolve) => setImmediate(resolve));
    const second = client.resolve(`${registry.host}/team/app:1`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(registry.requests.length, 1);
    await Promise.all([first, second]);
    assert.equal(registry.requests.length, 3);
  });

  it('end in an error that says how long the registry wants to be left alone, by its own clock', async () => {
    const asked: Record<string, string>[] = [
      { 'retry-after': '600' },
      { 'retry-after': 'Tue, 01 Jan 2030 00:10:00 GMT', date: 'Tue, 01 Jan 2030 00:00:00 GMT' },
    ];
    for (const headers of asked) {
      await using registry = await ScriptedRegistry.start();
      registry.script({ on: 'HEAD *', answer: { status: 429, headers, body: '' } });
      await using client = quickClient();
      await assert.rejects(
        client.resolve(`${registry.host}/team/app:1`),
        (error) =>
          because(error, 'rate-limited') &&
          /600 seconds/.test((error as { context: { hint?: string } }).context.hint ?? ''),
      );
    }
  });
});

describe('warnings', () => {
  it('of a registry are passed on once each, without what is none', async () => {
    const warning = [
      '299 - "old \\"client\\"", 299 - "second"',
      '299 - "old \\"client\\""',
      '199 - "another code"',
      '299 agent "another agent"',
      '299 - unquoted',
      '299 - "a\\\u0007bell"',
    ];
    await using registry = await ScriptedRegistry.start({ quirks: { headers: { warning: warning.slice(0, 5) } } });
    registry.add('team/app', image, '1');
    const events: RegistryEvent[] = [];
    await using client = quickClient({ onEvent: (event) => events.push(event) });
    await client.resolve(`${registry.host}/team/app:1`);
    await client.resolve(`${registry.host}/team/app:1`);
    assert.deepEqual(
      events.flatMap((event) => (event.type === 'warning' ? [event.text] : [])),
      ['old "client"', 'second'],
    );
  });
});
