import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { it } from 'node:test';

const source = join(import.meta.dirname, '..', '..', 'src');

const floors: Readonly<Record<string, number>> = {
  errors: 1,
  listen: 2,
  spec: 2,
  filters: 2,
  content: 3,
  services: 4,
  images: 4,
  remotes: 5,
  oci: 5,
  metadata: 5,
  daemon: 5,
  schema1: 6,
  client: 7,
  registry: 8,
  cli: 9,
  testing: 10,
  index: 10,
};

function folderOf(path: string): string {
  const [first = ''] = relative(source, path).split(sep);
  return first.replace(/\.ts$/, '');
}

async function imports(): Promise<{ from: string; to: string; file: string }[]> {
  const found: { from: string; to: string; file: string }[] = [];
  for await (const name of glob('**/*.ts', { cwd: source })) {
    const file = join(source, name);
    for (const [, specifier = ''] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      found.push({ from: folderOf(file), to: folderOf(resolve(dirname(file), specifier)), file: name });
    }
  }
  return found;
}

it('every folder has a floor', async () => {
  const folders = new Set((await imports()).flatMap(({ from, to }) => [from, to]));
  assert.deepEqual(
    [...folders].filter((folder) => floors[folder] === undefined),
    [],
  );
});

it('no folder imports from its own floor or above', async () => {
  const wrong = (await imports()).filter(({ from, to }) => {
    if (from === to) return false;
    const [own = 0, other = 0] = [floors[from], floors[to]];
    // Services name the interfaces of content and spec; nothing else of floor 4 is theirs.
    return other >= own;
  });
  assert.deepEqual(
    wrong.map(({ file, to }) => `${file} imports ${to}`),
    [],
  );
});

it('no files import each other in a circle, types included', async () => {
  const edges = new Map<string, string[]>();
  for await (const name of glob('**/*.ts', { cwd: source })) {
    const file = join(source, name);
    const text = readFileSync(file, 'utf8');
    const targets = [...text.matchAll(/^(?:import|export)\s[^;]*?from\s+'(\.[^']+)'/gm)].map(([, to = '']) =>
      resolve(dirname(file), to),
    );
    edges.set(file, targets);
  }
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    assert.ok(!path.includes(file), `a circle: ${[...path, file].map((one) => relative(source, one)).join(' -> ')}`);
    if (done.has(file)) return;
    for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) visit(file, []);
});
