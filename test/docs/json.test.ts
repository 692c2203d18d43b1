import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { dray, drayDone } from '../support/command.ts';
import { about, emptyConfig } from '../support/referrers.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { root } from './blocks.ts';

/** What the page says of one command: its keys, in order, with those that may be absent; undefined where it is no document of its own. */
interface Documented {
  readonly isList: boolean;
  readonly keys: readonly string[];
}

const contract = await readFile(join(root, 'docs', 'command.md'), 'utf8');
const section = contract.slice(contract.indexOf('### What `--json` prints'));
const documented = new Map(
  [...section.matchAll(/^\| (`.*?`) \| (?:`(\[?)\{(.*?)\}\]?`)?/gm)].flatMap(([, verbs = '', list, keys]) =>
    verbs
      .split(', ')
      .map((verb) => [
        verb.replaceAll('`', ''),
        keys === undefined ? undefined : ({ isList: list === '[', keys: keys.split(', ') } satisfies Documented),
      ]),
  ) as [string, Documented | undefined][],
);

describe('what --json prints', () => {
  it('has the keys that the page says, of every command', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await ScriptedRegistry.start();
    const image = randomImage({ seed: 'json', layers: [10] });
    const signature = about(image.root, '1', 'application/vnd.example.signature');
    registry.add('team/app', image, '1', '2');
    registry.add('team/app', { root: signature.descriptor, blobs: [emptyConfig, signature] });
    const [ref, file] = [`${registry.host}/team/app:1`, directory.join('app.tar')];
    const [blob, editor] = [image.blobs[0]?.descriptor.digest ?? '', `${process.execPath} -e 0`];
    const calls: readonly (readonly [verb: string, ...words: string[]])[] = [
      ['pull', ref],
      ['push', ref, `${registry.host}/team/pushed:1`],
      ['copy', ref, `${registry.host}/team/copied:1`],
      ['content fetch', ref],
      ['export', ref, file],
      ['import', file],
      ['convert', ref, 'converted:1', '--docker'],
      ['images ls'],
      ['images usage', ref],
      ['images check'],
      ['content ls'],
      ['content fetch-blob', `${registry.host}/team/app`, blob],
      ['content info', blob],
      ['content ingest', 'one'],
      ['content status'],
      ['content edit', digestOf('one')],
      ['content verify'],
      ['content push-object', `${registry.host}/team/pushed`, blob, 'application/octet-stream'],
      ['digest', ref],
      ['referrers', ref],
      ['ns create', 'other'],
      ['ns ls'],
      ['lease create', '--expires', '1h'],
      ['lease ls'],
      ['doctor'],
      ['gc'],
      ['login', registry.host, '-u', 'me', '--password-stdin'],
      ['logout', registry.host],
      ['version'],
    ];
    const environment = { DRAY_ROOT: directory.join('store'), DOCKER_CONFIG: directory.path, EDITOR: editor };
    // Something to be listed that is not finished, or not in order.
    await dray(['content', 'ingest', 'half', '--expected-size', '9'], { environment, input: 'half' });
    const open = new Set(documented.keys());
    for (const [verb, ...words] of calls) {
      if (verb === 'doctor') await drayDone(['content', 'rm', digestOf('one')], { environment });
      const { stdout, stderr } = await dray([...verb.split(' '), ...words, '--json'], { environment, input: 'one' });
      const expected = documented.get(verb);
      assert.ok(expected, `${verb} is not in the page`);
      open.delete(verb);
      const value: unknown = JSON.parse(stdout === '' ? 'null' : stdout);
      assert.equal(Array.isArray(value), expected.isList, `${verb}: ${stdout}${stderr}`);
      const [one] = expected.isList ? (value as unknown[]) : [value];
      assert.ok(one, `${verb} has nothing to show`);
      const keys = Object.keys(one);
      const known = expected.keys.map((key) => key.replace('?', ''));
      assert.deepEqual(
        keys.filter((key) => !known.includes(key)),
        [],
        `${verb} says more than the page: ${stdout}`,
      );
      const sure = expected.keys.filter((key) => !key.endsWith('?'));
      assert.deepEqual(
        sure.filter((key) => !keys.includes(key)),
        [],
        `${verb} says less than the page: ${stdout}`,
      );
    }
    for (const verb of documented.keys())
      if (documented.get(verb) !== undefined) assert.ok(!open.has(verb), `${verb} is documented and was not called`);
    for (const verb of documented.keys()) assert.ok(verb in commands, `${verb} is no command`);
  });
});
