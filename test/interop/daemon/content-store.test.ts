import { it } from 'node:test';
import { connectContainerd, type Daemon } from '../../../src/daemon/client/daemon.ts';
import { contentStoreSuite } from '../../../src/testing/content-store-suite.ts';
import { crossNamespaceSuite } from '../../../src/testing/cross-namespace-suite.ts';
import { startContainerd, unlessContainerd } from '../../support/containerd.ts';

const reason = unlessContainerd();

if (reason === false) {
  contentStoreSuite(
    'a containerd daemon',
    async () => {
      const { daemon, ...fixture } = await connected('shared');
      return { store: daemon.content, ...fixture };
    },
    { algorithms: ['sha256'], partialTruncate: false, keepsForReaders: false },
  );
  for (const sharing of ['shared', 'isolated'] as const) {
    crossNamespaceSuite(
      `${sharing}, a containerd daemon`,
      async () => {
        const { daemon, ...fixture } = await connected(sharing);
        return { services: (namespace) => daemon.services(namespace), ...fixture };
      },
      { sharing, partialTruncate: false, shareable: false },
    );
  }
} else {
  it('content store: a containerd daemon', { skip: reason }, () => {});
}

async function connected(sharing: 'shared' | 'isolated'): Promise<AsyncDisposable & { daemon: Daemon }> {
  const resources = new AsyncDisposableStack();
  const { address } = resources.use(await startContainerd({ sharing, quiet: true }));
  const daemon = resources.use(await connectContainerd({ address }));
  return { daemon, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
