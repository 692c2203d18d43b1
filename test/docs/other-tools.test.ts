import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { Arguments } from '../../src/cli/arguments.ts';
import { findCommand } from '../../src/cli/commands.ts';
import { commonOptions } from '../../src/cli/options.ts';
import { root } from './blocks.ts';

it('what other tools do is done by commands that there are, with flags that they have', async () => {
  const page = await readFile(join(root, 'docs', 'other-tools.md'), 'utf8');
  const lines = [...page.matchAll(/`dray ([^`]+)`/g)].map(([, line = '']) => line.split(' '));
  assert.ok(lines.length > 30);
  for (const line of lines) {
    const found = findCommand(line);
    assert.ok(found.kind === 'command', line.join(' '));
    const { options, positionals, usage } = await found.load();
    const grammar = { name: found.name, usage, example: '', options: { ...commonOptions, ...options }, positionals };
    // A verb alone stands for itself.
    if (found.rest.length > 0) assert.doesNotThrow(() => Arguments.parse(grammar, found.rest, {}), line.join(' '));
  }
});
