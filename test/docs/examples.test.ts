import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands, findCommand } from '../../src/cli/commands.ts';
import { commonOptions } from '../../src/cli/options.ts';
import { Client } from '../../src/client/client.ts';
import { ingest } from '../../src/content/copy.ts';
import { encodedOf } from '../../src/spec/digest.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { realImage } from '../interop/oci/real-image.ts';
import { layoutEntries } from '../oci/images.ts';
import { inChunks, tarOf } from '../oci/tar-builder.ts';
import { manifestDescriptor } from '../schema1/documents.ts';
import { addOldImage, layers, payload, signed } from '../schema1/old-registry.ts';
import { program } from '../support/command.ts';
import { run } from '../support/processes.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary.ts';
import { type Block, blocksOf, linesOf, root } from './blocks.ts';

const shell = await blocksOf('sh', 'console');
const programs = await blocksOf('ts');

describe('examples of the command', () => {
  const written = shell.flatMap((block) =>
    linesOf(block).map((line) => ({ where: `${block.page}:${block.line}`, line })),
  );

  it('in the pages are what the command takes', async () => {
    for (const { where, line } of written) await checkLine(line, where);
  });

  for (const [verb, { load }] of Object.entries(commands))
    it(`in the help of ${verb} are what it takes`, async () => {
      for (const example of (await load()).command.examples) await checkLine(example, verb);
    });

  /** Each call of dray in a line has to be one that the command would begin with. */
  async function checkLine(line: string, where: string): Promise<void> {
    for (const call of line.split(/\||&&/)) {
      const words = wordsOf(call.replace(/\s[<>].*$/, ''));
      const at = words.indexOf('dray');
      if (at === -1 || at > 1 || (at === 1 && words[0] !== 'npx')) continue;
      const found = findCommand(words.slice(at + 1));
      assert.equal(found.kind, 'command', `${where}: ${line}`);
      if (found.kind !== 'command') continue;
      const { usage, options, positionals } = await found.load();
      const grammar = {
        name: found.name,
        usage,
        example: line,
        options: { ...options, ...commonOptions },
        positionals,
      };
      assert.doesNotThrow(() => Arguments.parse(grammar, found.rest, {}), `${where}: ${line}`);
    }
  }
});

function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? '',
  );
}

describe('examples that run', { skip: process.platform === 'win32' && 'they are for a POSIX shell' }, () => {
  const pages = Map.groupBy(
    shell.filter(({ words }) => !words.includes('no-run')),
    ({ page }) => page,
  );
  for (const [page, blocks] of pages)
    it(`in ${page}, one after another`, async () => {
      await using registry = await ScriptedRegistry.start();
      await using directory = await temporaryDirectory();
      const env = await prepare(directory, registry);
      for (const block of blocks)
        for (const line of linesOf(block)) {
          // What is installed here is what is in this tree.
          if (line.startsWith('npm ')) continue;
          const { code, stderr } = await run('sh', ['-c', line], { cwd: directory.join('work'), env });
          assert.equal(code, 0, `${page}:${block.line}: ${line}\n${stderr}`);
        }
    });
});

/** The registries that examples name, all of them one of our own, and the files that they work on. */
async function prepare(directory: TemporaryDirectory, registry: ScriptedRegistry): Promise<NodeJS.ProcessEnv> {
  const alpine = realImage('alpine', ['linux/amd64', 'linux/arm64']);
  registry.add('library/alpine', alpine, '3.20');
  const hosts = ['docker.io', 'registry.example.com', 'old.example.com', 'localhost:5000'];
  for (const host of hosts) {
    await mkdir(directory.join('hosts', host), { recursive: true });
    const text = `server = "${registry.origin}"\n[host."${registry.origin}"]\ncapabilities = ["pull", "resolve", "push"]\n`;
    await writeFile(directory.join('hosts', host, 'hosts.toml'), text);
  }
  const bin = directory.join('bin');
  await mkdir(bin);
  await writeFile(join(bin, 'dray'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`, { mode: 0o755 });
  await writeFile(join(bin, 'npx'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
  const environment = {
    PATH: `${bin}:${process.env['PATH']}`,
    HOME: directory.join('home'),
    DRAY_ROOT: directory.join('store'),
    DRAY_DURABILITY: 'none',
    DRAY_HOSTS_DIR: directory.join('hosts'),
  };
  await prepareSchema1(directory, registry, environment.DRAY_ROOT);
  return environment;
}

/** An image of Docker schema 1 in a registry, in a directory as skopeo writes it, in an archive and in a store. */
async function prepareSchema1(directory: TemporaryDirectory, registry: ScriptedRegistry, store: string): Promise<void> {
  const target = manifestDescriptor(payload);
  const blobs = [payload, ...layers].map((bytes) => ({ descriptor: manifestDescriptor(bytes, 'blob'), bytes }));
  addOldImage(registry, 'old/app');
  await mkdir(directory.join('work', 'app'), { recursive: true });
  await writeFile(directory.join('work', 'app', 'manifest.json'), signed);
  for (const { descriptor, bytes } of blobs)
    await writeFile(directory.join('work', 'app', encodedOf(descriptor.digest)), bytes);
  const annotations = { 'org.opencontainers.image.ref.name': 'old/app:2' };
  await writeFile(directory.join('work', 'old.tar'), tarOf(layoutEntries(blobs, [{ ...target, annotations }])));
  await using client = await Client.open({ root: store, durability: 'none' });
  const { content, images } = client.services;
  for (const { descriptor, bytes } of blobs)
    await ingest(content, { ref: descriptor.digest, expected: { digest: descriptor.digest } }, inChunks(bytes));
  await images.create({ name: 'docker.io/old/app:1', target });
}

describe('programs in the pages', () => {
  it('are in order for the compiler', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(directory.join('package.json'), '{ "type": "module" }');
    await symlink(join(root, 'node_modules'), directory.join('node_modules'));
    for (const block of programs) await writeFile(directory.join(fileOf(block)), `${block.text}export {};\n`);
    const { compilerOptions } = JSON.parse(await readFile(join(root, 'tsconfig.json'), 'utf8'));
    const settings = {
      compilerOptions: {
        ...compilerOptions,
        isolatedDeclarations: false,
        declaration: false,
        noUnusedLocals: false,
        paths: await sources(),
      },
      files: programs.map(fileOf),
    };
    await writeFile(directory.join('tsconfig.json'), JSON.stringify(settings));
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const { code, stdout } = await run(process.execPath, [compiler, '-p', directory.path]);
    assert.equal(code, 0, stdout);
  });
});

const fileOf = ({ page, line }: Block): string => `${page.replaceAll(/\W/g, '-')}-${line}.ts`;

/** Where the source of each subpath of the package is. */
async function sources(): Promise<Record<string, string[]>> {
  const { name, exports } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const paths = Object.entries(exports as Record<string, string>).filter(([, file]) => file.endsWith('.js'));
  return Object.fromEntries(
    paths.map(([key, file]) => [
      key.replace('.', name),
      [join(root, file.replace('./dist/', 'src/').replace(/\.js$/, '.ts'))],
    ]),
  );
}
