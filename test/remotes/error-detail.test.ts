import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DrayError } from '../../src/errors.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { quickClient } from '../support/registry-client.ts';

it('what went wrong in a registry that has no code for it is in the detail, on one line', async () => {
  const cases: readonly [object, RegExp][] = [
    [
      { code: 'UNKNOWN', message: 'unknown error', detail: { Err: 28, Path: 'a\nb' } },
      /unknown error: \{"Err":28,.*\}\)$/,
    ],
    [{ code: 'UNKNOWN', message: 'unknown error', detail: 'disk full' }, /unknown error: disk full\)$/],
    [{ code: 'UNKNOWN', message: 'unknown error', detail: null }, /unknown error\)$/],
    [{ code: 'MANIFEST_UNKNOWN', message: 'unknown', detail: { Tag: '1' } }, /MANIFEST_UNKNOWN \(unknown\)$/],
  ];
  for (const [error, message] of cases) {
    await using registry = await ScriptedRegistry.start();
    registry.script({ on: '*', answer: { status: 400, body: JSON.stringify({ errors: [error] }) } });
    await using client = quickClient();
    await assert.rejects(
      client.ping(registry.host),
      (failure) => failure instanceof DrayError && message.test(failure.message) && !failure.message.includes('\n'),
      JSON.stringify(error),
    );
  }
});

it('a code that is the name of something in JavaScript means what its status means', async () => {
  for (const code of ['constructor', 'toString', '__proto__']) {
    await using registry = await ScriptedRegistry.start();
    registry.script({ on: '*', answer: { status: 404, body: JSON.stringify({ errors: [{ code }] }) } });
    await using client = quickClient();
    await assert.rejects(client.ping(registry.host), { kind: 'not-found' });
  }
});
