import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { drayDone } from '../support/command.ts';
import { succeed } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { unlessInstalled } from '../support/tools.ts';

/** Some beginnings of a line, and what completes their last word. */
const lines: Readonly<Record<string, readonly string[]>> = {
  'dray pu': ['pull', 'push'],
  'dray images l': ['label', 'ls'],
  'dray pull --pl': ['--plain-http', '--platform'],
  'dray push --progress j': ['json'],
  'dray content ls --nd': ['--ndjson'],
  'dray gc --roo': ['--root'],
};

describe('the script that completes', () => {
  it('in bash: verbs, flags and their values', { skip: unlessInstalled('bash') }, async () => {
    const script = await drayDone(['completion', 'bash']);
    for (const [line, expected] of Object.entries(lines)) {
      const words = line.split(' ');
      const last = words.length - 1;
      const ask = `COMP_WORDS=(${line}); COMP_CWORD=${last}; _dray dray "${words[last]}" "${words[last - 1]}"; echo "\${COMPREPLY[@]}"`;
      const found = await succeed('bash', ['-c', `${script}\n${ask}`]);
      assert.deepEqual(found.trim().split(' ').sort(), expected, line);
    }
  });

  it('in zsh is one that it takes', { skip: unlessInstalled('zsh') }, async () => {
    const start = 'autoload -U compinit; compinit -D -u';
    const done = await succeed('zsh', [
      '-fc',
      `${start}\n${await drayDone(['completion', 'zsh'])}\necho $_comps[dray]`,
    ]);
    assert.match(done, /_dray/);
  });

  it('in fish: verbs, flags and their values', { skip: unlessInstalled('fish') }, async () => {
    await using directory = await temporaryDirectory();
    const script = directory.join('dray.fish');
    await writeFile(script, await drayDone(['completion', 'fish']));
    const env = {
      ...process.env,
      HOME: directory.path,
      XDG_CONFIG_HOME: directory.path,
      XDG_DATA_HOME: directory.path,
    };
    for (const [line, expected] of Object.entries(lines)) {
      const ask = `source ${script}; complete -C '${line}'`;
      const found = await succeed('fish', ['--no-config', '-c', ask], { env, cwd: directory.path });
      const words = found
        .trim()
        .split('\n')
        .map((one) => one.split('\t')[0]);
      assert.deepEqual(words.sort(), expected, line);
    }
  });
});
