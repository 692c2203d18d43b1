import assert from 'node:assert/strict';
import { it } from 'node:test';
import { dray } from '../support/command.ts';
import { temporaryDirectory } from '../support/temporary.ts';

it('a time limit longer than any timer is one that is not met', async () => {
  await using directory = await temporaryDirectory();
  const environment = { DRAY_ROOT: directory.path };
  const { code, stderr } = await dray(['images', 'ls', '--timeout', '1000h'], { environment });
  assert.deepEqual([code, stderr], [0, '']);
});

it('a usage error is JSON for whoever asked for it in the environment, however', async () => {
  const { code, stderr } = await dray(['frobnicate'], { environment: { DRAY_JSON: 'true' } });
  assert.equal(code, 2);
  assert.equal(JSON.parse(stderr).kind, 'invalid-argument');
});
