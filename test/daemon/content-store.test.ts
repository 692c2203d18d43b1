import { contentStoreSuite } from '../../src/testing/content-store-suite.ts';
import { crossNamespaceSuite } from '../../src/testing/cross-namespace-suite.ts';
import { servedStore } from './served.ts';

contentStoreSuite(
  'served over gRPC',
  async () => {
    const served = await servedStore();
    return { store: served.daemon.content, [Symbol.asyncDispose]: () => served[Symbol.asyncDispose]() };
  },
  { partialTruncate: false, keepsForReaders: false },
);

for (const sharing of ['shared', 'isolated'] as const) {
  crossNamespaceSuite(
    `${sharing}, served over gRPC`,
    async () => {
      const served = await servedStore({ sharing });
      return {
        services: (namespace) => served.daemon.services(namespace),
        [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
      };
    },
    { sharing, partialTruncate: false },
  );
}
