import { contentStoreSuite } from '../../src/testing/content-store-suite.ts';
import { crossNamespaceSuite } from '../../src/testing/cross-namespace-suite.ts';
import { temporaryStore } from './support.ts';

for (const sharing of ['shared', 'isolated'] as const) {
  contentStoreSuite(`a namespace, ${sharing}`, async () => {
    const fixture = await temporaryStore({ sharing });
    return { store: fixture.services.content, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() };
  });

  crossNamespaceSuite(
    sharing,
    async () => {
      const fixture = await temporaryStore({ sharing });
      return {
        services: (namespace) => fixture.store.services(namespace),
        [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
      };
    },
    { sharing },
  );
}
