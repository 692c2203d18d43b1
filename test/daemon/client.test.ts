import { Client } from '../../src/client/client.ts';
import { serveContainerd } from '../../src/daemon/server/serve.ts';
import { temporaryStore } from '../metadata/support.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { clientSuite } from './client-suite.ts';
import { registryOptions } from './registry.ts';
import { socketIn } from './served.ts';

clientSuite('a store on disk', async () => {
  const resources = new AsyncDisposableStack();
  const directory = resources.use(await temporaryDirectory());
  const root = directory.join('store');
  const client = resources.use(await Client.open({ root, durability: 'none', registry: registryOptions }));
  return { client, [Symbol.asyncDispose]: () => resources.disposeAsync() };
});

clientSuite('a store served over gRPC', async () => {
  const resources = new AsyncDisposableStack();
  const directory = resources.use(await temporaryDirectory());
  const { store } = resources.use(await temporaryStore({ durability: 'none' }));
  const address = socketIn(directory.path);
  resources.use(await serveContainerd(store, address));
  const client = resources.use(await Client.connect({ address, registry: registryOptions }));
  return { client, [Symbol.asyncDispose]: () => resources.disposeAsync() };
});
