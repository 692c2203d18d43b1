import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { rewrite } from '../../src/content/local/rewrite.ts';
import { is } from '../../src/errors.ts';
import {
  containersAuthCredentials,
  containersAuthPaths,
  dockerConfigCredentials,
  dockerConfigPath,
  eraseCredentials,
  storeCredentials,
} from '../../src/remotes/docker/auth-file.ts';
import {
  type CredentialSource,
  type Credentials,
  chainedCredentials,
  environmentCredentials,
  noCredentials,
  passwordCredentials,
  staticCredentials,
} from '../../src/remotes/docker/credentials.ts';
import type { RegistryEvent } from '../../src/remotes/docker/events.ts';
import { helperCall } from '../../src/remotes/docker/helper-program.ts';
import { homeDirectory } from '../../src/remotes/docker/home.ts';
import { Secret } from '../../src/remotes/docker/secret.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { succeed } from '../support/processes.ts';
import { quickClient } from '../support/registry-client.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';

function auth(username: string, password: string): { auth: string } {
  return { auth: Buffer.from(`${username}:${password}`).toString('base64') };
}

async function written(directory: TemporaryDirectory, config: unknown): Promise<string> {
  const file = directory.join('config.json');
  await writeFile(file, JSON.stringify(config));
  return file;
}

function shown(credentials: Credentials | undefined): unknown {
  if (credentials === undefined) return undefined;
  const { username, password, identityToken, registryToken } = credentials;
  const entries = Object.entries({
    username,
    password: password?.reveal(),
    identityToken: identityToken?.reveal(),
    registryToken: registryToken?.reveal(),
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

describe('credentials of config files', () => {
  it('are found under every way of writing a host', async () => {
    await using directory = await temporaryDirectory();
    const keys: readonly (readonly [string, string, boolean])[] = [
      ['registry.example.com', 'registry.example.com', true],
      ['https://registry.example.com', 'registry.example.com', true],
      ['https://registry.example.com/v1/', 'registry.example.com', true],
      ['http://registry.example.com/v2/', 'registry.example.com', true],
      ['registry.example.com/v2/', 'registry.example.com', true],
      ['REGISTRY.example.com', 'registry.example.com', true],
      ['registry.example.com:5000', 'registry.example.com:5000', true],
      ['registry.example.com:5000', 'registry.example.com', false],
      ['registry.example.com', 'registry.example.com:443', false],
      ['registry.example.com', 'registry.example.com.evil.net', false],
      ['registry', 'registry.evil.com', false],
      ['example.com', 'registry.example.com', false],
      ['https://index.docker.io/v1/', 'docker.io', true],
      ['index.docker.io', 'docker.io', true],
      ['registry-1.docker.io', 'docker.io', true],
      ['docker.io', 'docker.io', true],
      ['https://index.docker.io.evil.net/v1/', 'docker.io', false],
      ['https://user@registry.example.com/', 'registry.example.com', false],
    ];
    for (const [key, registry, there] of keys) {
      const file = await written(directory, { auths: { [key]: auth('u', 'p') } });
      const found = await dockerConfigCredentials({ file }).get(registry);
      assert.deepEqual(shown(found), there ? { username: 'u', password: 'p' } : undefined, `${key} for ${registry}`);
    }
  });

  it('of a path are for the repositories below it, the longest first', async () => {
    await using directory = await temporaryDirectory();
    const file = await written(directory, {
      auths: {
        'r.io': auth('host', '1'),
        'r.io/team': auth('team', '2'),
        'r.io/team/app': auth('app', '3'),
      },
    });
    const source = dockerConfigCredentials({ file });
    const userFor = async (repository?: string): Promise<string | undefined> =>
      (await source.get('r.io', repository))?.username;
    assert.equal(await userFor('team/app'), 'app');
    assert.equal(await userFor('team/app/sub'), 'app');
    assert.equal(await userFor('team/application'), 'team');
    assert.equal(await userFor('other'), 'host');
    assert.equal(await userFor(), 'host');
  });

  it('may be tokens, also beside an empty password', async () => {
    await using directory = await temporaryDirectory();
    const nobody = '00000000-0000-0000-0000-000000000000';
    const file = await written(directory, {
      auths: {
        'a.azurecr.io': { ...auth(nobody, ''), identitytoken: 'refresh' },
        'b.io': { registrytoken: 'raw' },
        'c.io': {},
        'd.io': { username: 'u', password: 'p' },
        'e.io': auth('u', 'p:with:colons'),
        'f.io': { auth: Buffer.from('u:p\0\0').toString('base64') },
        'g.io': auth('', 'p'),
      },
    });
    const source = dockerConfigCredentials({ file });
    assert.deepEqual(shown(await source.get('a.azurecr.io')), { username: nobody, identityToken: 'refresh' });
    assert.deepEqual(shown(await source.get('b.io')), { registryToken: 'raw' });
    assert.equal(await source.get('c.io'), undefined);
    assert.deepEqual(shown(await source.get('d.io')), { username: 'u', password: 'p' });
    assert.deepEqual(shown(await source.get('e.io')), { username: 'u', password: 'p:with:colons' });
    assert.deepEqual(shown(await source.get('f.io')), { username: 'u', password: 'p' });
    assert.equal(await source.get('g.io'), undefined);
  });

  it('that are not there are none where nobody named them, and an error where somebody did', async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('config.json');
    const environment = { DOCKER_CONFIG: directory.path, REGISTRY_AUTH_FILE: file };
    for (const source of [dockerConfigCredentials, containersAuthCredentials]) {
      assert.equal(await source({ environment }).get('r.io'), undefined);
      await assert.rejects(
        source({ file }).get('r.io'),
        (error) => is(error, 'not-found') && error.message.includes(file),
      );
    }
  });

  it('of a file that is a pipe are read once and good for all', { skip: process.platform === 'win32' }, async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('pipe');
    await succeed('mkfifo', [file]);
    const source = dockerConfigCredentials({ file });
    const found = Promise.all(['a.io', 'b.io'].map((registry) => source.get(registry)));
    await writeFile(file, JSON.stringify({ auths: { 'a.io': auth('a', '1'), 'b.io': auth('b', '2') } }));
    const all = [...(await found), await source.get('b.io', 'team/app')];
    assert.deepEqual(
      all.map((credentials) => credentials?.username),
      ['a', 'b', 'b'],
    );
  });

  it('that are broken are an error that does not repeat them', async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('config.json');
    await writeFile(file, '{"auths": {"r.io": {"auth": "canary"');
    await assert.rejects(
      dockerConfigCredentials({ file }).get('r.io'),
      (error) => is(error, 'invalid-argument') && !inspect(error).includes('canary'),
    );
  });

  it('of DOCKER_AUTH_CONFIG come before those of the file', async () => {
    await using directory = await temporaryDirectory();
    await written(directory, { auths: { 'a.io': auth('file', '1'), 'b.io': auth('file', '1') } });
    const inline = JSON.stringify({ auths: { 'a.io': auth('inline', '2') } });
    const source = dockerConfigCredentials({
      environment: { DOCKER_CONFIG: directory.path, DOCKER_AUTH_CONFIG: inline },
    });
    assert.equal((await source.get('a.io'))?.username, 'inline');
    assert.equal((await source.get('b.io'))?.username, 'file');
    const broken = dockerConfigCredentials({ environment: { DOCKER_CONFIG: directory.path, DOCKER_AUTH_CONFIG: '{' } });
    assert.equal((await broken.get('a.io'))?.username, 'file');
  });

  it('are looked for where docker and podman keep them', () => {
    assert.equal(dockerConfigPath({ DOCKER_CONFIG: '/d' }), join('/d', 'config.json'));
    assert.deepEqual(containersAuthPaths({ REGISTRY_AUTH_FILE: '/x/auth.json' }), ['/x/auth.json']);
    assert.deepEqual(containersAuthPaths({ XDG_RUNTIME_DIR: '/run/user/1', XDG_CONFIG_HOME: '/c' }), [
      join('/run/user/1', 'containers', 'auth.json'),
      join('/c', 'containers', 'auth.json'),
    ]);
  });

  it('are not looked for in the current directory when a variable is there but empty', () => {
    assert.ok(isAbsolute(dockerConfigPath({ DOCKER_CONFIG: '' })));
    for (const path of containersAuthPaths({ XDG_RUNTIME_DIR: '', XDG_CONFIG_HOME: '' })) assert.ok(isAbsolute(path));
    const { HOME = '' } = process.env;
    process.env['HOME'] = '';
    try {
      assert.ok(isAbsolute(homeDirectory()));
    } finally {
      process.env['HOME'] = HOME;
    }
  });

  it('of podman are those of the first file that has some', async () => {
    await using directory = await temporaryDirectory();
    const environment = { REGISTRY_AUTH_FILE: directory.join('config.json') };
    await written(directory, { auths: { 'r.io/team': auth('team', '1') } });
    const source = containersAuthCredentials({ environment });
    assert.equal((await source.get('r.io', 'team/app'))?.username, 'team');
    assert.equal(await source.get('r.io', 'other'), undefined);
  });
});

describe('storing credentials', () => {
  it('keeps the rest of the file and its being a link, and is for the owner alone', async () => {
    await using directory = await temporaryDirectory();
    const real = directory.join('real.json');
    const file = directory.join('config.json');
    await writeFile(real, JSON.stringify({ detachKeys: 'ctrl-x', auths: { 'a.io': auth('a', '1') } }));
    await symlink(real, file);
    await storeCredentials('docker.io', passwordCredentials('u', 'p'), { file });
    const stored = JSON.parse(await readFile(real, 'utf8'));
    assert.deepEqual(stored, {
      detachKeys: 'ctrl-x',
      auths: { 'a.io': auth('a', '1'), 'https://index.docker.io/v1/': auth('u', 'p') },
    });
    assert.equal((await stat(real)).mode & 0o777, 0o600);
    assert.deepEqual(shown(await dockerConfigCredentials({ file }).get('docker.io')), { username: 'u', password: 'p' });
  });

  it('keeps what others store at the same time, in this process and in others', async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('config.json');
    const module = new URL('../../src/remotes/docker/auth-file.ts', import.meta.url).href;
    const login = `
      const { storeCredentials } = await import(${JSON.stringify(module)});
      const store = (n) => storeCredentials(process.argv[1] + n + '.io', { username: 'u', source: '' }, { file: process.argv[2] });
      await Promise.all(Array.from({ length: 10 }, (_, n) => store(n)));`;
    await Promise.all(['a', 'b', 'c'].map((name) => succeed(process.execPath, ['-e', login, name, file])));
    assert.equal(Object.keys(JSON.parse(await readFile(file, 'utf8')).auths).length, 30);
    await Promise.all(['a1.io', 'b2.io'].map((registry) => eraseCredentials(registry, { file })));
    assert.equal(Object.keys(JSON.parse(await readFile(file, 'utf8')).auths).length, 28);
    assert.deepEqual(await readdir(directory.path), ['config.json']);
  });

  it('does not wait for somebody who died while storing', async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('config.json');
    await writeFile(`${file}.next`, 'canary');
    await rewrite(file, async () => 'whole', 50);
    assert.equal(await readFile(file, 'utf8'), 'whole');
    assert.deepEqual(await readdir(directory.path), ['config.json']);
  });

  // Node's mkdir with `recursive` asks for ever.
  it('says at once where nobody can make the directory of the file', {
    skip: process.platform === 'linux' ? false : 'there is no /proc',
    timeout: 60_000,
  }, async () => {
    const file = '/proc/none/below/config.json';
    await fails(storeCredentials('a.io', passwordCredentials('u', 'p'), { file }), 'not-found');
  });

  it('leaves the file as it was when it cannot be made', async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('config.json');
    await writeFile(file, 'not json');
    await fails(storeCredentials('a.io', passwordCredentials('u', 'p'), { file }), 'invalid-argument');
    await assert.rejects(
      rewrite(file, () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(await readFile(file, 'utf8'), 'not json');
    assert.deepEqual(await readdir(directory.path), ['config.json']);
  });

  it('makes a file that is not there, and tokens come back as tokens', async () => {
    await using directory = await temporaryDirectory();
    const file = directory.join('new', 'config.json');
    await storeCredentials('r.io', { identityToken: new Secret('t'), source: 'test' }, { file });
    assert.equal((await dockerConfigCredentials({ file }).get('r.io'))?.identityToken?.reveal(), 't');
  });

  it('erases every spelling of a registry, and says whether there was one', async () => {
    await using directory = await temporaryDirectory();
    const file = await written(directory, {
      auths: { 'r.io': auth('a', '1'), 'https://r.io/v1/': auth('a', '1'), 'b.io': {} },
    });
    assert.equal(await eraseCredentials('r.io', { file }), true);
    assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), { auths: { 'b.io': {} } });
    assert.equal(await eraseCredentials('r.io', { file }), false);
    assert.equal(await eraseCredentials('r.io', { file: directory.join('nothing.json') }), false);
  });
});

/** A helper that keeps what it is told in a file, put on the path of this process for one test. */
async function withHelper(body: string, test: (directory: TemporaryDirectory) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const helper = directory.join('docker-credential-fake');
  await writeFile(helper, `#!/bin/sh\ndir='${directory.path}'\n${body}\n`);
  await chmod(helper, 0o755);
  await onPath(directory.path, () => test(directory));
}

async function onPath(directory: string, run: () => Promise<void>): Promise<void> {
  const path = process.env['PATH'];
  process.env['PATH'] = `${directory}${delimiter}${path}`;
  try {
    await run();
  } finally {
    process.env['PATH'] = path;
  }
}

const keeper = `echo "$*" >> "$dir/arguments"
case "$1" in
store) cat > "$dir/kept" ;;
get) cat > "$dir/asked"; if [ -f "$dir/kept" ]; then cat "$dir/kept"; else echo 'credentials not found in native keychain'; exit 1; fi ;;
erase) cat > /dev/null; rm "$dir/kept" ;;
esac`;

describe('credential helpers', { skip: process.platform === 'win32' }, () => {
  it('are asked for the registry by its name in config files', async () => {
    await withHelper(keeper, async (directory) => {
      const file = await written(directory, { credsStore: 'fake' });
      const source = dockerConfigCredentials({ file });
      assert.equal(await source.get('docker.io'), undefined);
      assert.equal(await readFile(directory.join('asked'), 'utf8'), 'https://index.docker.io/v1/');
      await storeCredentials('r.io', passwordCredentials('u', 'p'), { file });
      assert.deepEqual(shown(await source.get('r.io')), { username: 'u', password: 'p' });
      assert.deepEqual(JSON.parse(await readFile(file, 'utf8')).auths, { 'r.io': {} });
      assert.equal(await eraseCredentials('r.io', { file }), true);
      assert.equal(await source.get('r.io'), undefined);
    });
  });

  it('are told nothing where other users of the machine see it', async () => {
    await withHelper(keeper, async (directory) => {
      const file = await written(directory, { credsStore: 'fake' });
      await storeCredentials('r.io', passwordCredentials('somebody', 'canary'), { file });
      await dockerConfigCredentials({ file }).get('r.io');
      await eraseCredentials('r.io', { file });
      assert.equal(await readFile(directory.join('arguments'), 'utf8'), 'store\nget\nerase\n');
    });
  });

  it('of one registry come before the store of all', async () => {
    await withHelper(keeper, async (directory) => {
      const file = await written(directory, { credsStore: 'missing', credHelpers: { 'r.io': 'fake' } });
      assert.equal(await dockerConfigCredentials({ file }).get('r.io'), undefined);
      await fails(dockerConfigCredentials({ file }).get('other.io'), 'failed-precondition');
    });
  });

  it('that know a user without a secret are passed over', async () => {
    await withHelper(`cat > /dev/null; echo '{"ServerURL":"r.io","Username":"u","Secret":""}'`, async (directory) => {
      const auth = Buffer.from('own:secret').toString('base64');
      const file = await written(directory, { credsStore: 'fake', auths: { 'r.io': { auth } } });
      assert.equal((await dockerConfigCredentials({ file }).get('r.io'))?.username, 'own');
    });
  });

  it('give identity tokens under a name of their own', async () => {
    await withHelper(
      `cat > /dev/null; echo '{"ServerURL":"r.io","Username":"<token>","Secret":"t"}'`,
      async (directory) => {
        const file = await written(directory, { credsStore: 'fake' });
        assert.deepEqual(shown(await dockerConfigCredentials({ file }).get('r.io')), { identityToken: 't' });
      },
    );
  });

  it('that fail, say nonsense or too much are errors that name them', async () => {
    const bodies = ['cat >/dev/null; echo broken; exit 3', 'cat >/dev/null; echo nonsense', 'cat >/dev/null; yes'];
    for (const body of bodies) {
      await withHelper(body, async (directory) => {
        const file = await written(directory, { credsStore: 'fake' });
        await assert.rejects(
          dockerConfigCredentials({ file }).get('r.io'),
          (error) => is(error, 'failed-precondition') && /docker-credential-fake/.test(error.message),
          body,
        );
      });
    }
  });

  it('that fail behind their answer do not have it shown', async () => {
    const answer = `echo '{"ServerURL":"r.io","Username":"u","Secret":"hunter2"}'`;
    await withHelper(`cat >/dev/null; ${answer}; exit 1`, async (directory) => {
      const file = await written(directory, { credsStore: 'fake' });
      await assert.rejects(
        dockerConfigCredentials({ file }).get('r.io'),
        (error) => is(error, 'failed-precondition') && !JSON.stringify(error).includes('hunter2'),
      );
    });
  });

  it('are no paths', async () => {
    await using directory = await temporaryDirectory();
    const file = await written(directory, { credsStore: '../../tmp/evil' });
    await fails(dockerConfigCredentials({ file }).get('r.io'), 'failed-precondition');
  });

  it('that do not answer in time are stopped, and an error that names them', async (context) => {
    await withHelper('exec sleep 60', async (directory) => {
      const timeout = AbortSignal.timeout.bind(AbortSignal);
      context.mock.method(AbortSignal, 'timeout', (limit: number) => timeout(limit === 30_000 ? 50 : limit));
      const file = await written(directory, { credsStore: 'fake' });
      await fails(
        dockerConfigCredentials({ file }).get('r.io'),
        'failed-precondition',
        /docker-credential-fake.* no answer in 30 s/,
      );
    });
  });

  it('end with the signal of whoever asked', async () => {
    await withHelper('exec sleep 60', async (directory) => {
      const file = await written(directory, { credsStore: 'fake' });
      const reason = new Error('enough');
      const controller = new AbortController();
      const asked = dockerConfigCredentials({ file }).get('r.io', undefined, controller.signal);
      setImmediate(() => controller.abort(reason));
      await assert.rejects(asked, reason);
    });
  });
});

describe('credential helpers on Windows', () => {
  it('are looked for in the directories of programs and nowhere else, scripts too', async () => {
    await using directory = await temporaryDirectory();
    const [first, second] = [directory.join('first dir'), directory.join('second')];
    for (const [at, file] of [
      [first, 'docker-credential-script.cmd'],
      [second, 'docker-credential-script.exe'],
      [second, 'docker-credential-both.cmd'],
      [second, 'docker-credential-both.exe'],
      [directory.path, 'docker-credential-here.exe'],
    ] as const) {
      await mkdir(at, { recursive: true });
      await writeFile(join(at, file), '');
    }
    const before = process.cwd();
    process.chdir(directory.path);
    try {
      const path = ['', '.', first, directory.join('none'), second].join(delimiter);
      const called = (name: string) => helperCall(name, 'get', { platform: 'win32', path });
      const script = `"${join(first, 'docker-credential-script.cmd')}" get`;
      assert.deepEqual(await called('script'), { command: script, args: [], shell: true });
      const program = join(second, 'docker-credential-both.exe');
      assert.deepEqual(await called('both'), { command: program, args: ['get'], shell: false });
      assert.equal(await called('here'), undefined);
    } finally {
      process.chdir(before);
    }
  });

  it('may be scripts, and get and give what others do', {
    skip: process.platform === 'win32' ? false : 'there is no shell of Windows',
  }, async () => {
    await using directory = await temporaryDirectory();
    const script = '@more > asked.txt\r\n@echo {"Username":"u","Secret":"p %1"}\r\n';
    await writeFile(directory.join('docker-credential-fake.cmd'), `@cd /d "%~dp0"\r\n${script}`);
    const file = await written(directory, { credsStore: 'fake' });
    await onPath(directory.path, async () => {
      assert.deepEqual(shown(await dockerConfigCredentials({ file }).get('r.io')), {
        username: 'u',
        password: 'p get',
      });
    });
    assert.match(await readFile(directory.join('asked.txt'), 'utf8'), /^r\.io\s*$/);
  });
});

describe('credential sources', () => {
  it('of the environment are for the registry that it names', async () => {
    const environment = { DRAY_REGISTRY: 'r.io', DRAY_USERNAME: 'u', DRAY_PASSWORD: 'p' };
    assert.deepEqual(shown(await environmentCredentials(environment).get('r.io')), { username: 'u', password: 'p' });
    assert.equal(await environmentCredentials(environment).get('evil.io'), undefined);
    assert.equal(await environmentCredentials({}).get('r.io'), undefined);
    assert.equal(await environmentCredentials({ ...environment, DRAY_PASSWORD: '' }).get('r.io'), undefined);
    for (const wrong of [
      { DRAY_PASSWORD: 'p' },
      { ...environment, DRAY_REGISTRY: 'https://r.io' },
      { ...environment, DRAY_REGISTRY: 'r.io/team' },
      { ...environment, DRAY_USERNAME: '' },
    ]) {
      await fails(environmentCredentials(wrong).get('r.io'), 'invalid-argument');
    }
  });

  it('are asked in turn', async () => {
    const first = staticCredentials({ 'a.io': passwordCredentials('first', '1') });
    const second = staticCredentials({
      'a.io': passwordCredentials('second', '2'),
      'b.io': passwordCredentials('second', '2'),
    });
    const chain = chainedCredentials(noCredentials, first, second);
    assert.equal((await chain.get('a.io'))?.username, 'first');
    assert.equal((await chain.get('b.io'))?.username, 'second');
    assert.equal(await chain.get('c.io'), undefined);
  });

  it('know Docker Hub under all its names', async () => {
    const source = staticCredentials({ 'index.docker.io': passwordCredentials('u', 'p') });
    for (const name of ['docker.io', 'registry-1.docker.io', 'registry.hub.docker.com', 'Docker.io'])
      assert.equal((await source.get(name))?.username, 'u', name);
    assert.equal(await source.get('hub.docker.com'), undefined);
  });
});

describe('secrets', () => {
  it('print as redacted in every way of printing', () => {
    const credentials = passwordCredentials('user', 'canary');
    for (const text of [
      String(credentials.password),
      `${credentials.password}`,
      JSON.stringify(credentials),
      inspect(credentials, { depth: 9, showHidden: true, getters: true }),
      JSON.stringify({ ...credentials.password }),
    ]) {
      assert.ok(!text.includes('canary'), text);
    }
    assert.equal(credentials.password?.reveal(), 'canary');
  });
});

it('credentials are not waited for once the client is closed', async () => {
  const asked = Promise.withResolvers<AbortSignal | undefined>();
  const credentials: CredentialSource = {
    get(_registry, _repository, signal) {
      asked.resolve(signal);
      return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    },
  };
  await using registry = await ScriptedRegistry.start();
  const stop = new AbortController();
  const events: RegistryEvent[] = [];
  await using client = quickClient({ credentials, onEvent: (event) => events.push(event) });
  const pinged = client.ping(registry.host, { signal: stop.signal });
  const closed = await asked.promise;
  stop.abort(new Error('enough'));
  await assert.rejects(pinged, /enough/);
  assert.equal(closed?.aborted, false);
  await client[Symbol.asyncDispose]();
  assert.equal(closed?.aborted, true);
  assert.deepEqual(
    events.filter(({ type }) => type === 'fallback'),
    [],
  );
});

it('credentials are kept for a registry only', async () => {
  await using directory = await temporaryDirectory();
  const file = directory.join('config.json');
  for (const name of ['https://r.io', 'r.io/app', '', 'x y']) {
    await assert.rejects(storeCredentials(name, passwordCredentials('u', 'p'), { file }), /is not a registry/);
    await assert.rejects(eraseCredentials(name, { file }), /is not a registry/);
  }
});
