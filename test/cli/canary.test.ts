import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { dray, drayStart } from '../support/command.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';

const image = randomImage({ seed: 'guarded', layers: [1000, 200_000] });
const password = 'canary-password';
const typed = 'canary-typed';
const [layer = image.root] = image.blobs.map(({ descriptor }) => descriptor);

/** What the command is given and must not repeat, besides the tokens that it gets. */
const secrets = [
  'canary',
  ...[`bot:${password}`, `bot:${typed}`].map((text) => Buffer.from(text).toString('base64').replace(/=+$/, '')),
];

let directory: TemporaryDirectory;
let registry: ScriptedRegistry;
let cdn: ScriptedRegistry;
/** Everything that was printed. */
const printed: { readonly what: string; readonly text: string }[] = [];

before(async () => {
  directory = await temporaryDirectory();
  cdn = await ScriptedRegistry.start();
  registry = await ScriptedRegistry.start({
    access: { kind: 'bearer', users: { bot: password, other: typed } },
    quirks: { headers: { 'set-cookie': 'id=canary-cookie', warning: '299 - "old"' } },
  });
  registry.add('team/app', image, '1', '2');
  cdn.add('team/app', image);
  // What a signed URL says opens a blob to everybody.
  registry.script({
    on: /^GET .*\/blobs\//,
    answer: {
      status: 307,
      headers: {
        location: `${cdn.origin}/v2/team/app/blobs/${layer.digest}?X-Amz-Signature=canary-signature&sig=canary-sig`,
      },
    },
    times: 1,
  });
  const auth = (user: string, secret: string): string => Buffer.from(`${user}:${secret}`).toString('base64');
  const file = (secret: string): string =>
    JSON.stringify({ auths: { [registry.host]: { auth: auth('bot', secret) } } });
  await mkdir(directory.join('hosts', `${registry.host.replace(':', '_')}_`), { recursive: true });
  await Promise.all([
    writeFile(directory.join('right.json'), file(password)),
    writeFile(directory.join('wrong.json'), file('canary-wrong')),
    writeFile(
      directory.join('hosts', `${registry.host.replace(':', '_')}_`, 'hosts.toml'),
      `server = "${registry.origin}"\n[header]\nX-Api-Key = "canary-key"\n`,
    ),
  ]);
});

after(async () => {
  await registry[Symbol.asyncDispose]();
  await cdn[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

function environment(credentials: 'right' | 'wrong'): Record<string, string> {
  return {
    HOME: directory.join('home'),
    DRAY_ROOT: directory.join(`store-${credentials}`),
    DRAY_AUTH_FILE: directory.join(`${credentials}.json`),
    DRAY_HOSTS_DIR: directory.join('hosts'),
    DRAY_DEBUG: '1',
    HTTP_PROXY: '',
  };
}

async function call(args: readonly string[], credentials: 'right' | 'wrong', input = ''): Promise<number | null> {
  const { code, stdout, stderr } = await dray(args, { environment: environment(credentials), input });
  printed.push({ what: `${args.join(' ')} (${credentials})`, text: `${stdout}\n${stderr}` });
  return code;
}

/** The words behind each command that needs some. */
function words(name: string): readonly string[] {
  const ref = `${registry.host}/team/app:1`;
  const known: Readonly<Record<string, readonly string[]>> = {
    pull: [ref, '--all-platforms'],
    push: [ref, `${registry.host}/team/pushed:1`],
    copy: [ref, `${registry.host}/team/copied:1`, '--referrers', '--digest-tags'],
    import: [directory.join('none.tar')],
    export: [ref, directory.join('exported.tar')],
    convert: [ref, 'converted:1', '--docker'],
    'images tag': [ref, 'other:1'],
    'images rm': ['other:1'],
    'images label': [ref, 'a=b'],
    'images usage': [ref],
    'content get': [layer.digest],
    'content info': [layer.digest],
    'content fetch': [`${registry.host}/team/app:2`],
    'content fetch-blob': [`${registry.host}/team/app`, layer.digest],
    'content push-object': [`${registry.host}/team/pushed`, layer.digest, layer.mediaType],
    'content label': [layer.digest, 'a=b'],
    catalog: [registry.host],
    tags: [`${registry.host}/team/app`],
    manifest: [ref],
    config: [ref],
    digest: [ref],
    referrers: [ref],
    delete: [`${registry.host}/team/app:2`],
    login: [registry.host, '-u', 'other', '--password-stdin'],
    logout: [`other.${registry.host}`],
    completion: ['bash'],
  };
  return known[name] ?? [];
}

async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function secretIn(text: string | Buffer): string | undefined {
  return [...secrets, ...registry.tokens].find((secret) => text.includes(secret));
}

describe('every command, at its most talkative', () => {
  it('prints no secret, with credentials that work and with others, and writes none to any file', async () => {
    const first = ['pull', 'push', 'copy', 'content fetch'];
    const apart = new Set(['serve', 'login', 'delete', ...first]);
    const rest = Object.keys(commands).filter((name) => !apart.has(name));
    for (const name of first)
      assert.equal(await call([...name.split(' '), ...words(name)], 'right'), 0, printed.at(-1)?.text);
    for (let at = 0; at < rest.length; at += 4)
      await Promise.all(rest.slice(at, at + 4).map((name) => call([...name.split(' '), ...words(name)], 'right')));
    assert.equal(await call(['delete', ...words('delete')], 'right'), 0);
    const remote = ['pull', 'copy', 'content fetch', 'tags', 'manifest', 'digest', 'referrers', 'catalog', 'delete'];
    await Promise.all(
      remote.map(async (name, index) => {
        const json = index % 2 === 0 ? ['--json'] : [];
        assert.equal(await call([...name.split(' '), ...words(name), ...json], 'wrong'), 4, printed.at(-1)?.text);
      }),
    );
    await checkAll();
  });

  it('says nothing of the password of a login, that of the environment and that of a mirror’s upstream', async () => {
    assert.equal(await call(['login', ...words('login')], 'wrong', 'canary-refused\n'), 4);
    assert.equal(await call(['login', registry.host, '-u', 'other', '-p', 'canary-refused'], 'wrong'), 4);
    assert.match(printed.at(-1)?.text ?? '', /visible to others/);
    // It is kept where it is asked to be kept, and nowhere else.
    assert.equal(await call(['login', ...words('login')], 'right', `${typed}\n`), 0);
    const fromEnvironment = {
      ...environment('wrong'),
      DRAY_REGISTRY: registry.host,
      DRAY_USERNAME: 'bot',
      DRAY_PASSWORD: password,
    };
    const { code, stdout, stderr } = await dray(['tags', `${registry.host}/team/app`], {
      environment: fromEnvironment,
    });
    printed.push({ what: 'environment', text: `${stdout}\n${stderr}` });
    assert.equal(code, 0, stderr);
    const args = ['serve', '--addr', '127.0.0.1:0', '--print-url', '--upstream', registry.host];
    await using serving = drayStart(args, { environment: environment('right') });
    const [url = ''] = await serving.printed(/http:\/\/[^\s]+/);
    const answer = await fetch(`${url.replace(/\/$/, '')}/v2/team/app/manifests/1`);
    printed.push({ what: 'answer of serve', text: `${JSON.stringify([...answer.headers])}${await answer.text()}` });
    await serving.kill('SIGTERM');
    printed.push({ what: 'serve', text: serving.output() });
    await checkAll();
  });

  async function checkAll(): Promise<void> {
    for (const { what, text } of printed) assert.equal(secretIn(text), undefined, `${what}:\n${text}`);
    assert.ok(
      printed.some(({ text }) => /debug: GET .*sig=\[redacted\]/.test(text)),
      'the requests were not told',
    );
    const given = new Set(['right.json', 'wrong.json', 'hosts.toml']);
    for (const path of await filesBelow(directory.path)) {
      if (given.has(path.split(/[\\/]/).at(-1) ?? '')) continue;
      assert.equal(secretIn(await readFile(path)), undefined, path);
    }
  }
});
