import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { succeed } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

const root = join(import.meta.dirname, '..', '..');

it('the generated messages are those of the proto files', { skip: unlessInstalled('protoc', 'bash') }, async () => {
  await using directory = await temporaryDirectory();
  await succeed('bash', [join(root, 'scripts', 'generate-proto.sh'), directory.path]);
  assert.deepEqual(await contentsOf(join(root, 'src', 'daemon', 'gen')), await contentsOf(directory.path));
});

async function contentsOf(path: string): Promise<Record<string, string>> {
  const names = (await readdir(path)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(path, name), 'utf8')] as const)),
  );
}
