import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import {
  commonOptions,
  listOptions,
  platformOptions,
  registryOptions,
  transferOptions,
} from '../../src/cli/options.ts';

const root = join(import.meta.dirname, '..', '..');
const contract = await readFile(join(root, 'docs', 'command.md'), 'utf8');
const readme = await readFile(join(root, 'README.md'), 'utf8');

/** The rows of the table of flags that are for a verb. */
function rowsFor(verb: string): string {
  const rows = contract
    .split('\n')
    .filter((line) => line.startsWith('| `') && line.split('|')[1]?.includes(`\`${verb}\``));
  return rows.join('\n');
}

/** Whether a page has a verb, on its own or in a list of those of its group. */
function names(page: string, verb: string): boolean {
  const [group = '', rest] = verb.split(' ');
  const lines = page.split('\n').map((line) => line.replaceAll('\\|', '|'));
  if (rest === undefined) return lines.some((line) => new RegExp(`(dray |\\| |\`)${group}( |\`|$)`).test(line));
  const start = lines.findIndex((line) => new RegExp(`(dray |\`)${group} +\\w`).test(line));
  return lines.slice(start, start + 4).some((line) => new RegExp(`(${group} +|\\| ?)${rest}( |\`|\\||$)`).test(line));
}

describe('the pages about the command', () => {
  for (const [verb, { load }] of Object.entries(commands))
    it(`tell of dray ${verb} and its flags`, async () => {
      assert.ok(names(contract, verb), `docs/command.md has no ${verb}`);
      assert.ok(names(readme, verb), `README.md has no ${verb}`);
      const { command } = await load();
      const shared = {
        ...commonOptions,
        ...listOptions,
        ...platformOptions(''),
        ...registryOptions,
        ...transferOptions,
      };
      const own = Object.keys(command.options ?? {}).filter((name) => !Object.hasOwn(shared, name));
      const missing = own.filter((name) => !new RegExp(`--${name}[ \`]`).test(rowsFor(verb)));
      assert.deepEqual(missing, [], `flags of ${verb} that docs/command.md does not have`);
    });

  it('tell of the flags that are shared', () => {
    for (const options of [commonOptions, listOptions, platformOptions(''), registryOptions, transferOptions])
      for (const name of Object.keys(options)) assert.match(contract, new RegExp(`--${name}[ \`]`));
  });
});
