import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { connectContainerd } from '../../src/daemon/client/daemon.ts';
import { serveContainerd } from '../../src/daemon/server/serve.ts';
import { blobFile, put, temporaryStore } from '../metadata/support.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { socketIn } from './served.ts';

describe('a store that is served to clients of containerd', () => {
  for (const pluginNamespace of [undefined, 'default'])
    it(`gives back the room of what ${pluginNamespace === undefined ? 'a client' : 'the daemon'} deletes`, async () => {
      await using directory = await temporaryDirectory();
      await using fixture = await temporaryStore({ durability: 'none' });
      const { store, root } = fixture;
      const collected = Promise.withResolvers<void>();
      const collect = async (options: object): Promise<void> => {
        await store.collect(options).then(() => collected.resolve(), collected.reject);
      };
      const address = socketIn(directory.path);
      await using _server = await serveContainerd(store, address, { pluginNamespace, collect, collectDelay: 1 });
      await using daemon = await connectContainerd({ address, namespace: 'default' });
      const { digest } = await put(daemon.content, 'a', 'deleted');
      assert.ok(existsSync(blobFile(root, digest)));
      await daemon.content.delete(digest);
      await collected.promise;
      assert.ok(!existsSync(blobFile(root, digest)));
    });
});
