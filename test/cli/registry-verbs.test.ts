import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { randomImage } from '../../src/testing/random.ts';
import { type Access, type Quirks, ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { testAuthority } from '../support/certificates.ts';
import { dray, drayDone } from '../support/command.ts';
import { testProxy } from '../support/proxy.ts';
import { about, emptyConfig } from '../support/referrers.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

const image = randomImage({ seed: 'verbs', layers: [1000, 2000], platforms: ['linux/amd64', 'linux/arm64'] });
const blobs = image.blobs.length;

interface Scene {
  readonly registry: ScriptedRegistry;
  readonly directory: TemporaryDirectory;
  readonly environment: Readonly<Record<string, string>>;
  readonly name: string;
}

async function scene(quirks: Quirks, test: (scene: Scene) => Promise<void>, access?: Access): Promise<void> {
  await using directory = await temporaryDirectory();
  await using registry = await ScriptedRegistry.start({ quirks, access });
  registry.add('team/app', image, '1');
  const environment = { DRAY_ROOT: directory.join('store'), HOME: directory.path };
  await test({ registry, directory, environment, name: `${registry.host}/team/app` });
}

describe('what only asks a registry', () => {
  it('needs no store, and makes none', async () => {
    await scene({}, async ({ name, directory, environment }) => {
      for (const verb of ['tags', 'digest', 'manifest', 'config', 'referrers', 'catalog', 'delete', 'login']) {
        const password = ['-u', 'user', '--password', 'secret', '--auth-file', directory.join('auth.json')];
        const args = {
          tags: [name],
          catalog: [name.split('/')[0] ?? ''],
          login: [name.split('/')[0] ?? '', ...password],
        };
        const given = Object.hasOwn(args, verb) ? args[verb as keyof typeof args] : [`${name}:1`];
        const platform = verb === 'config' ? ['--platform', 'linux/amd64'] : [];
        const { code, stderr } = await dray([verb, ...given, ...platform], { environment });
        assert.equal(code, 0, `${verb}: ${stderr}`);
      }
      await assert.rejects(stat(directory.join('store')), { code: 'ENOENT' });
    });
  });
});

describe('what looks at an image', () => {
  it('sees the same wherever it is', async () => {
    await scene({}, async ({ name, registry, directory, environment }) => {
      const signature = about(image.root, 'signature', 'application/example');
      registry.add('team/app', { root: signature.descriptor, blobs: [emptyConfig, signature] });
      const platform = ['--platform', 'linux/arm64'];
      const looks = [['digest'], ['manifest'], ['config', ...platform], ['digest', ...platform], ['referrers']];
      const seen = async (place: string): Promise<string[]> =>
        await Promise.all(looks.map(([verb = '', ...flags]) => drayDone([verb, place, ...flags], { environment })));
      const expected = await seen(`${name}:1`);
      const archive = `oci-archive:${directory.join('image.tar')}`;
      for (const place of ['store:app:1', `oci:${directory.join('layout')}:v1`, archive]) {
        await drayDone(['copy', `${name}:1`, place, '--referrers'], { environment });
        assert.deepEqual(await seen(place), expected, place);
      }
    });
  });

  it('says what there is in a layout, an archive and a repository of the store', async () => {
    await scene({}, async ({ name, directory, environment }) => {
      const places = [
        ['store:app', 'store:app:1', '1'],
        [`oci:${directory.join('layout')}`, `oci:${directory.join('layout')}:v1`, 'v1'],
        [
          `docker-archive:${directory.join('a.tar')}`,
          `docker-archive:${directory.join('a.tar')}:app:1`,
          'docker.io/library/app:1',
        ],
      ] as const;
      for (const [place, target, expected] of places) {
        await drayDone(['copy', `${name}:1`, target], { environment });
        assert.equal(await drayDone(['tags', place], { environment }), expected);
        assert.equal((await dray(['tags', target], { environment })).code, 2, target);
      }
      assert.equal((await dray(['tags', 'store:other'], { environment })).code, 3);
    });
  });
});

describe('a copy between places that are in no store', () => {
  it('opens none, and remembers in its directory what was sent', async () => {
    await scene({}, async ({ name, registry, directory, environment }) => {
      const target = `${registry.host}/team/copy:1`;
      const reference = await drayDone(['copy', `${name}:1`, target], { environment });
      assert.equal(reference, `${registry.host}/team/copy@${image.root.digest}`);
      await drayDone(['copy', target, `oci:${directory.join('layout')}:1`], { environment });
      await assert.rejects(stat(directory.join('store', 'metadata.db')), { code: 'ENOENT' });
      await drayDone(['copy', target, 'store:app:1'], { environment });
      assert.ok((await stat(directory.join('store', 'metadata.db'))).isFile());
    });
  });

  it('needs no directory that can be written to', async () => {
    await scene({}, async ({ name, registry, directory }) => {
      await writeFile(directory.join('file'), '');
      const environment = { DRAY_ROOT: directory.join('file', 'store'), HOME: directory.path };
      const layers = randomImage({ seed: 'large', layers: [3 * 1024 * 1024] });
      registry.add('team/app', layers, 'large');
      const args = [`${name}:large`, `${registry.host}/team/copy`];
      await drayDone(['copy', ...args], { environment });
      const { code, stderr } = await dray(['copy', `${name}:1`, 'store:app:1'], { environment });
      assert.equal(code, 2, stderr);
    });
  });
});

describe('every tag of a repository', () => {
  it('is copied after one look at which there are, those named after a digest with them', async () => {
    await scene({}, async ({ name, registry, environment }) => {
      const signature = `${image.root.digest.replace(':', '-')}.sig`;
      for (const tag of ['2', '3', signature]) registry.add('team/app', image, tag);
      const target = `${registry.host}/team/copy`;
      await drayDone(['copy', name, target, '--all-tags', '--digest-tags', '--referrers'], { environment });
      const lists = registry.log().filter((line) => line.includes('/team/app/tags/list'));
      assert.equal(lists.length, 1, lists.join('\n'));
      assert.equal(
        (await drayDone(['tags', target], { environment })).split('\n').sort().join(' '),
        `1 2 3 ${signature}`,
      );
    });
  });
});

describe('every tag and a further one', () => {
  it('are not given together', async () => {
    await scene({}, async ({ name, registry, environment }) => {
      const { code, stderr } = await dray(['copy', name, `${registry.host}/b`, '--all-tags', '-t', 'x'], {
        environment,
      });
      assert.equal(code, 2);
      assert.match(stderr, /exclude each other/);
      assert.deepEqual(registry.log(), []);
    });
  });
});

describe('what registries say', () => {
  it('is told: a warning once, a limit when little is left, a long pause', async () => {
    const headers = { warning: '299 - "team/app is going away"', 'ratelimit-limit': '100;w=21600' };
    await scene({ headers: { ...headers, 'ratelimit-remaining': '4;w=21600' } }, async (scene) => {
      const { name, environment, registry } = scene;
      const { stdout, stderr } = await dray(['pull', `${name}:1`, '--all-platforms'], { environment });
      assert.equal(stdout, `${name}@${image.root.digest}\n`);
      assert.equal(stderr.split('is going away').length, 2, stderr);
      assert.equal(stderr.split('allows 4 more requests of 100 in 6h').length, 2, stderr);
      const json = await dray(['pull', `${name}:1`, '--all-platforms', '--progress', 'json'], { environment });
      const notices = json.stderr
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter(({ t }) => t === 'notice');
      assert.equal(notices.length, 2);
      assert.equal((await dray(['pull', `${name}:1`, '--all-platforms', '-q'], { environment })).stderr, '');
      registry.quirks = {};
      registry.script({ on: 'HEAD *', times: 1, answer: { status: 429, headers: { 'retry-after': '1' } } });
      assert.match((await dray(['digest', `${name}:1`], { environment })).stderr, /asks for a pause of 1\.0s/);
    });
  });

  it('is no news while there is enough, but for those who want to know all', async () => {
    await scene({ headers: { 'ratelimit-limit': '100', 'ratelimit-remaining': '50' } }, async (scene) => {
      const { name, environment } = scene;
      assert.equal((await dray(['digest', `${name}:1`], { environment })).stderr, '');
      const { stderr } = await dray(['digest', `${name}:1`, '--debug'], { environment });
      assert.match(stderr, /debug: HEAD http:.*\/manifests\/1 200 \d+ ms/);
      assert.match(stderr, /allows 50 more requests of 100/);
    });
  });
});

describe('an image', () => {
  it('is brought and sent with what refers to it', async () => {
    await scene({}, async ({ name, registry, environment }) => {
      const signature = about(image.root, 'signature', 'application/example');
      registry.add('team/app', { root: signature.descriptor, blobs: [emptyConfig, signature] });
      const target = `${registry.host}/team/copy:1`;
      await drayDone(['pull', `${name}:1`, '--all-platforms', '--referrers'], { environment });
      await drayDone(['push', `${name}:1`, target, '--referrers'], { environment });
      const found = await drayDone(['referrers', target], { environment });
      assert.ok(found.includes(signature.descriptor.digest), found);
    });
  });
});

describe('looking around in registries', () => {
  it('lists repositories, tags, and referrers of one type', async () => {
    await scene({ pageSize: 2 }, async ({ registry, environment, name }) => {
      for (const other of ['a', 'b', 'c']) registry.repository(other);
      registry.add('team/app', image, '2', '3');
      const types = ['application/vnd.example.signature', 'application/vnd.example.bill'];
      registry.repository('team/app').addBlob(emptyConfig.bytes);
      for (const type of types) {
        const { descriptor, bytes } = about(image.root, type, type);
        registry.repository('team/app').addManifest(descriptor.mediaType, bytes);
      }
      assert.equal(await drayDone(['catalog', registry.host], { environment }), 'team/app\na\nb\nc');
      assert.deepEqual(JSON.parse(await drayDone(['tags', name, '--json'], { environment })), ['1', '2', '3']);
      const args = ['referrers', `${name}:1`, '--artifact-type', types[1] ?? '', '--json'];
      const found = JSON.parse(await drayDone(args, { environment }));
      assert.deepEqual(
        found.map(({ artifactType }: { artifactType: string }) => artifactType),
        [types[1]],
      );
    });
  });

  it('goes to hosts that are trusted, and not to others that are nearer than the registry', async () => {
    await scene({}, async ({ registry, environment }) => {
      await using near = await ScriptedRegistry.start();
      near.add('team/app', image, '1');
      await using proxy = await testProxy({ 'registry.example.com': registry.host });
      const headers = { location: `${near.origin}/v2/team/app/manifests/1` };
      registry.script({ on: '*', answer: { status: 307, headers } });
      const args = ['digest', 'registry.example.com/team/app:1', '--plain-http'];
      const behindProxy = { ...environment, HTTP_PROXY: proxy.url.href, NO_PROXY: '127.0.0.1' };
      const { code, stderr } = await dray(args, { environment: behindProxy });
      assert.equal(code, 9);
      assert.match(stderr, /refused a redirect/);
      const trusted = { ...behindProxy, DRAY_TRUST_HOST: near.host };
      assert.match(await drayDone(args, { environment: trusted }), new RegExp(image.root.digest));
    });
  });
});

describe('logging in', () => {
  it('is verified before anything is kept, and serves from then on', async () => {
    await scene(
      {},
      async ({ registry, directory, environment, name }) => {
        const own = { ...environment, DOCKER_CONFIG: directory.join('docker') };
        const login = ['login', registry.host, '-u', 'bot', '--password-stdin'];
        const refused = await dray(login, { environment: own, input: 'wrong' });
        assert.equal(refused.code, 4);
        await assert.rejects(stat(directory.join('docker', 'config.json')));
        await drayDone(login, { environment: own, input: 'secret\n' });
        const { auths } = JSON.parse(await readFile(directory.join('docker', 'config.json'), 'utf8'));
        assert.deepEqual(Object.keys(auths), [registry.host]);
        await drayDone(['digest', `${name}:1`], { environment: own });
        await drayDone(['logout', registry.host], { environment: own });
        assert.equal((await dray(['digest', `${name}:1`], { environment: own })).code, 4);
      },
      { kind: 'bearer', users: { bot: 'secret' } },
    );
  });

  it('is not needed with credentials of the environment, which are for their registry alone', async () => {
    await scene(
      {},
      async ({ registry, environment, name }) => {
        const own = { ...environment, DRAY_USERNAME: 'bot', DRAY_PASSWORD: 'secret' };
        await drayDone(['digest', `${name}:1`], { environment: { ...own, DRAY_REGISTRY: registry.host } });
        for (const other of ['other.example.com', ''])
          assert.notEqual(
            (await dray(['digest', `${name}:1`], { environment: { ...own, DRAY_REGISTRY: other } })).code,
            0,
          );
      },
      { kind: 'basic', users: { bot: 'secret' } },
    );
  });
});

describe('the requests of a command', () => {
  const bearer: Access = { kind: 'bearer', users: { bot: 'secret' } };

  async function count({ registry, environment }: Scene, ...args: string[]): Promise<string[]> {
    registry.requests.length = 0;
    const own = { ...environment, DRAY_REGISTRY: registry.host, DRAY_USERNAME: 'bot', DRAY_PASSWORD: 'secret' };
    await drayDone(args, { environment: own });
    return registry.log();
  }

  for (const [what, access, dance] of [
    ['without tokens', undefined, 0],
    ['with the two of a cold token dance and no more', bearer, 2],
  ] as const) {
    it(`are few, ${what}`, async () => {
      await scene(
        {},
        async (scene) => {
          const { name, registry } = scene;
          const pulled = await count(scene, 'pull', `${name}:1`, '--all-platforms');
          assert.equal(pulled.length, 1 + blobs + dance, pulled.join('\n'));
          assert.equal((await count(scene, 'pull', `${name}:1`, '--all-platforms')).length, 1 + dance);
          // The index is asked for, and what is below it is there when it is.
          assert.equal((await count(scene, 'push', `${name}:1`)).length, 1 + dance);
          const pushed = await count(scene, 'push', `${name}:1`, `${registry.host}/team/new:1`);
          const small = blobs - 3;
          const steps = pushed.filter((line) => !line.includes('/manifests/') && !line.includes('/token'));
          assert.ok(steps.length <= 2 * small, steps.join('\n'));
          // A second token is for mounting from the other repository.
          assert.equal(pushed.filter((line) => line.includes('/token')).length, dance);
          const copied = await count(scene, 'copy', `${name}:1`, `${registry.host}/team/new:1`);
          // Two repositories need two tokens, and nobody is asked twice what kind.
          assert.equal(copied.length, 2 + dance * 1.5, copied.join('\n'));
          assert.equal((await count(scene, 'digest', `${name}:1`)).length, 1 + dance);
        },
        access,
      );
    });
  }
});

describe('a registry with a certificate of an authority that only this machine knows', {
  skip: unlessInstalled('openssl') || process.platform !== 'linux',
}, () => {
  it('is believed without being configured, and no other', async () => {
    await using directory = await temporaryDirectory();
    const authority = await testAuthority(directory);
    const tls = await authority.issue('localhost', 'localhost', '127.0.0.1');
    await using registry = await ScriptedRegistry.start({ tls });
    registry.add('team/app', image, '1');
    const args = ['digest', `${registry.host}/team/app:1`];
    const environment = { DRAY_ROOT: directory.join('store'), SSL_CERT_FILE: authority.certificatePath };
    assert.match(await drayDone(args, { environment }), new RegExp(image.root.digest));
    const { code, stderr } = await dray(args, { environment: { DRAY_ROOT: directory.join('store') } });
    assert.equal(code, 7);
    assert.match(stderr, /hosts directory/);
  });
});

describe('hosts that are written down', () => {
  it('are used by commands: a mirror for pulls, the registry itself for pushes', async () => {
    await scene({}, async ({ registry, directory, environment }) => {
      await using upstream = await ScriptedRegistry.start();
      await mkdir(directory.join('hosts', 'registry.test'), { recursive: true });
      await writeFile(
        directory.join('hosts', 'registry.test', 'hosts.toml'),
        `server = "${upstream.origin}"\n[host."${registry.origin}"]\ncapabilities = ["pull", "resolve"]\n`,
      );
      const own = { ...environment, DRAY_HOSTS_DIR: directory.join('hosts') };
      await drayDone(['pull', 'registry.test/team/app:1', '--all-platforms'], { environment: own });
      assert.equal(upstream.requests.length, 0);
      assert.ok(registry.requests.every(({ url }) => url.endsWith('?ns=registry.test')));
      await drayDone(['push', 'registry.test/team/app:1'], { environment: own });
      assert.equal(upstream.repository('team/app').tags.get('1'), image.root.digest);
    });
  });
});
