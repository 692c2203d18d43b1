import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';

const project = join(import.meta.dirname, '..', '..');
const description = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as {
  exports: Record<string, string>;
  dependencies: Record<string, string>;
};

it('every subpath of the package has its index, and every index its subpath', async () => {
  const listed = Object.values(description.exports).filter((path) => path.endsWith('.js'));
  const sources = listed.map((path) => path.replace('./dist/', 'src/').replace(/\.js$/, '.ts'));
  assert.deepEqual(
    sources.filter((path) => !existsSync(join(project, path))),
    [],
  );
  const indexes: string[] = [];
  for await (const path of glob('src/**/index.ts', { cwd: project })) indexes.push(path.replaceAll('\\', '/'));
  assert.deepEqual(indexes.sort(), sources.sort());
});

it('nothing is exported that was not named', async () => {
  for await (const path of glob('src/**/*.ts', { cwd: project })) {
    assert.doesNotMatch(readFileSync(join(project, path), 'utf8'), /^export \*/m, path);
  }
});

it('every dependency has its reason, and all that comes with one is told', () => {
  const page = readFileSync(join(project, 'docs', 'dependencies.md'), 'utf8');
  for (const name of Object.keys(description.dependencies)) assert.match(page, new RegExp(`\\| \`${name}\` \\|`), name);
  const { packages } = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; hasInstallScript?: boolean }>;
  };
  for (const [path, { dev, hasInstallScript }] of Object.entries(packages)) {
    if (path === '' || dev) continue;
    assert.match(page, new RegExp(`\`${path.replace(/^.*node_modules\//, '')}\``), path);
    assert.ok(!hasInstallScript, path);
  }
});

it('the version and the help load nothing from the network, the disk or other packages', async () => {
  const loaded = (entry: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(entry)) return seen;
    seen.add(entry);
    const text = readFileSync(entry, 'utf8');
    for (const [, specifier = ''] of text.matchAll(/^(?:import|export)\s+(?!type)[^;]*?from\s+'([^']+)'/gm)) {
      if (specifier.startsWith('.')) loaded(join(entry, '..', specifier), seen);
      else seen.add(specifier);
    }
    return seen;
  };
  for (const entry of ['main.ts', 'help.ts', 'verbs/version.ts', 'verbs/pull.ts']) {
    const outside = [...loaded(join(project, 'src', 'cli', entry))].filter((name) => !name.endsWith('.ts'));
    assert.deepEqual(
      outside.filter((name) => !/^node:(util|events|module|os|path|fs\/promises)$/.test(name)),
      [],
      entry,
    );
  }
});

it('of zod only what is used gets into the command', async () => {
  for await (const path of glob('src/**/*.ts', { cwd: project })) {
    const text = readFileSync(join(project, path), 'utf8');
    // A bundle has to keep all of an object, but not all of a namespace; and of a schema with methods all that they can do.
    assert.doesNotMatch(text, /^import (.* from 'zod'|\{.*\} from 'zod\/mini')/m, path);
  }
});
