import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { it } from 'node:test';
import { Client } from '../../../src/client/client.ts';
import { imageTransfers } from '../../../src/client/image-transfers.ts';
import type { Authentication } from '../../../src/registry/auth/authentication.ts';
import { htpasswd } from '../../../src/registry/auth/htpasswd.ts';
import { startTestRegistry } from '../../../src/testing/embedded-registry.ts';
import { memoryServices } from '../../../src/testing/memory-services.ts';
import { randomImage } from '../../../src/testing/random.ts';
import { registryOptions } from '../../daemon/registry.ts';
import { servedStore } from '../../daemon/served.ts';
import { importImage } from '../../registry/support.ts';
import { run } from '../../support/processes.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { unlessInstalled } from '../../support/tools.ts';

/** How many cases each part has: those of containerd's suite, and what its client of transfers does. */
const cases = { Content: 12, Shared: 2, Isolated: 1, Shareable: 1, Transfer: 4 };

it("containerd's own suite of content stores passes over a served store, and its client moves images there", {
  skip: unlessInstalled('go'),
}, async (t) => {
  await using shared = await servedStore();
  await using isolated = await servedStore({ sharing: 'isolated' });
  await using moving = await servedStore({}, { images: imageTransfers(registryOptions) });
  await using directory = await temporaryDirectory();
  const archive = directory.join('image.tar');
  await using registry = await startTestRegistry({ authentication: await ciAlone(directory.join('users')) });
  const services = memoryServices();
  await importImage(services, 'example.com/app:1', randomImage({ seed: 'go', layers: [300_000] }));
  await using client = Client.over(services);
  await writeFile(archive, client.export(['example.com/app:1']));
  const env = {
    ...process.env,
    SHARED_SOCKET: shared.address,
    ISOLATED_SOCKET: isolated.address,
    TRANSFER_SOCKET: moving.address,
    TRANSFER_ARCHIVE: archive,
    TRANSFER_REFERENCE: `${new URL(registry.url).host}/team/app:1`,
  };
  const { code, stdout, stderr } = await run('go', ['test', '-count=1', '-v', '.'], { cwd: import.meta.dirname, env });
  assert.equal(code, 0, stdout + stderr);
  for (const [part, count] of Object.entries(cases)) {
    const passed = [...stdout.matchAll(new RegExp(`--- PASS: Test${part}/(\\S+)`, 'g'))];
    assert.equal(passed.length, count, stdout);
    t.diagnostic(`${part}: ${passed.map(([, name]) => name).join(', ')}`);
  }
});

/** Lets `ci` in, with the password `secret`. */
async function ciAlone(file: string): Promise<Authentication> {
  await writeFile(file, 'ci:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n');
  return await htpasswd(file);
}
