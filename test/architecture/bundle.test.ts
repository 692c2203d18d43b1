import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { it } from 'node:test';
import { bundleCommand } from '../../scripts/bundle-command.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { testAuthority } from '../support/certificates.ts';
import { listening } from '../support/loopback.ts';
import { succeed } from '../support/processes.ts';
import { testProxy } from '../support/proxy.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

const project = join(import.meta.dirname, '..', '..');

it('the bundled command works, with the version of the package and the licenses of what is in it', async () => {
  await using directory = await temporaryDirectory();
  const bundle = directory.join('dist', 'cli');
  await bundleCommand(bundle);
  await copyFile(join(project, 'package.json'), directory.join('package.json'));
  await symlink(join(project, 'node_modules'), directory.join('node_modules'), 'junction');
  const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'));
  const env = { ...process.env, NODE_COMPILE_CACHE: directory.join('cache') };
  const dray = (...args: string[]) => succeed(process.execPath, [join(bundle, 'dray.cjs'), ...args], { env });
  // Without a cache of what is compiled, with an empty one, and with one.
  for (let time = 0; time < 3; time += 1) assert.equal(await dray('version'), `dray ${version}\n`);
  const cached = await readdir(env.NODE_COMPILE_CACHE, { recursive: true });
  assert.ok(cached.some((file) => /dray-[0-9a-f]{16}-version$/.test(file)));
  const inStore = ['--root', directory.join('store'), '--json'];
  assert.deepEqual(JSON.parse(await dray('images', 'ls', ...inStore)), []);
  // A filter by regular expression loads the one package that stays outside.
  assert.deepEqual(JSON.parse(await dray('images', 'ls', 'name~=x', ...inStore)), []);
  // Its own selection of the HTTP client has all that an answer needs.
  await using registry = await listening(
    createServer((_, response) => response.end('{"name":"app","tags":["1","2"]}')),
  );
  assert.equal(await dray('tags', `${registry.host}/app`), '1\n2\n');
  const licenses = await readFile(join(bundle, 'LICENSES.txt'), 'utf8');
  for (const name of ['undici', 'zod', '@noble/hashes', 'smol-toml'])
    assert.match(licenses, new RegExp(`^${name} \\d`, 'm'));
  // Of a package without a file for it, the licenses are at the heads of its files.
  assert.match(licenses, /Copyright 2008 Google Inc[\s\S]*Redistributions in binary form must reproduce/);
});

it('the bundled command reaches a registry over TLS through a proxy', {
  skip: unlessInstalled('openssl'),
}, async () => {
  await using directory = await temporaryDirectory();
  const bundle = directory.join('dist', 'cli');
  await bundleCommand(bundle);
  const authority = await testAuthority(directory);
  const tls = await authority.issue('registry.example.com', 'registry.example.com');
  await using registry = await ScriptedRegistry.start({ tls });
  const image = randomImage({ seed: 'proxy', layers: [10] });
  registry.add('team/app', image, '1');
  await using proxy = await testProxy({ 'registry.example.com:443': registry.host });
  const env = { ...process.env, HTTPS_PROXY: proxy.url.href, NO_PROXY: '', NODE_DISABLE_COMPILE_CACHE: '1' };
  const words = ['digest', 'registry.example.com/team/app:1', '--insecure', '--root', directory.join('store')];
  const digest = await succeed(process.execPath, [join(bundle, 'dray.cjs'), ...words], { env });
  assert.equal(digest, `${image.root.digest}\n`);
  assert.equal(proxy.requests[0], 'CONNECT registry.example.com:443');
});

it('a thread of the command is a file beside what starts it', async () => {
  await using directory = await temporaryDirectory();
  await bundleCommand(directory.path);
  const names = (files: readonly string[], pattern: RegExp) => files.flatMap((file) => pattern.exec(file)?.[1] ?? []);
  const sources = await readdir(join(project, 'src'), { recursive: true });
  const threads = names(sources, /([^/\\]+-thread)\.ts$/);
  assert.deepEqual(names(await readdir(directory.path), /^([a-z-]+-thread)\.js$/).sort(), threads.sort());
});
