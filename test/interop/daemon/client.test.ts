import { it } from 'node:test';
import { Client } from '../../../src/client/client.ts';
import { clientSuite } from '../../daemon/client-suite.ts';
import { registryOptions } from '../../daemon/registry.ts';
import { startContainerd, unlessContainerd } from '../../support/containerd.ts';

const reason = unlessContainerd();

if (reason === false) {
  clientSuite('a containerd daemon', async () => {
    const resources = new AsyncDisposableStack();
    const { address } = resources.use(await startContainerd());
    const client = resources.use(await Client.connect({ address, registry: registryOptions }));
    // The one that needs nothing of the kernel.
    const labels = { 'containerd.io/defaults/snapshotter': 'native' };
    await client.services.namespaces.create({ name: 'default', labels });
    return { client, [Symbol.asyncDispose]: () => resources.disposeAsync() };
  });
} else {
  it('client: a containerd daemon', { skip: reason }, () => {});
}
