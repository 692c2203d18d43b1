import assert from 'node:assert/strict';
import { it } from 'node:test';
import { servedStore } from '../../daemon/served.ts';
import { run } from '../../support/processes.ts';
import { unlessInstalled } from '../../support/tools.ts';

/** How many cases each part of containerd's suite has. */
const cases = { Content: 12, Shared: 2, Isolated: 1, Shareable: 1 };

it("containerd's own suite of content stores passes over a served store", {
  skip: unlessInstalled('go'),
}, async (t) => {
  await using shared = await servedStore();
  await using isolated = await servedStore({ sharing: 'isolated' });
  const env = { ...process.env, SHARED_SOCKET: shared.address, ISOLATED_SOCKET: isolated.address };
  const { code, stdout, stderr } = await run('go', ['test', '-count=1', '-v', '.'], { cwd: import.meta.dirname, env });
  assert.equal(code, 0, stdout + stderr);
  for (const [part, count] of Object.entries(cases)) {
    const passed = [...stdout.matchAll(new RegExp(`--- PASS: Test${part}/(\\S+)`, 'g'))];
    assert.equal(passed.length, count, stdout);
    t.diagnostic(`${part}: ${passed.map(([, name]) => name).join(', ')}`);
  }
});
