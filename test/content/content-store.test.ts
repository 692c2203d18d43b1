import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalStore } from '../../src/content/local/local-store.ts';
import { MemoryStore } from '../../src/content/memory/memory-store.ts';
import { contentStoreSuite } from '../../src/testing/content-store-suite.ts';

contentStoreSuite('memory', async () => ({ store: new MemoryStore(), async [Symbol.asyncDispose]() {} }));

for (const durability of ['full', 'none'] as const) {
  contentStoreSuite(`directory, durability ${durability}`, async () => {
    const root = await mkdtemp(join(tmpdir(), 'dray-'));
    const store = new LocalStore(join(root, 'content'), { durability });
    return {
      store,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        await rm(root, { recursive: true, force: true });
      },
    };
  });
}
