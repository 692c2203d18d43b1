import { EventEmitter, once } from 'node:events';
import type { AbortableOptions } from '../content/store.ts';
import { type Registry, type RegistryOptions, type RequestRecord, startRegistry } from '../registry/index.ts';
import type { Services } from '../services/services.ts';
import { type FaultPlan, injectFault } from './faults.ts';
import { memoryServices } from './memory-services.ts';

/** Options of {@link startTestRegistry}: those of a registry, none of them needed. */
export interface TestRegistryOptions extends Partial<RegistryOptions> {
  /** What goes wrong; nothing if not said. */
  readonly faults?: FaultPlan | undefined;
}

/** A registry for tests. */
export interface TestRegistry extends Registry {
  /** What it serves. */
  readonly services: Services;
  /** Every request that has ended, in the order of their ends. */
  readonly requests: readonly RequestRecord[];
  /** The first request that passes, of those that have ended and those that will. Rejects with the signal's reason. */
  requested(passes: (request: RequestRecord) => boolean, options?: AbortableOptions): Promise<RequestRecord>;
  /** Another plan of what goes wrong from now on; none ends all faults. */
  plan(faults: FaultPlan | undefined): void;
}

/**
 * Starts the embedded registry for a test: over a store in memory unless services are given, with a log of its requests and
 * faults on demand. It is the real registry in all else.
 */
export async function startTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const services = options.services ?? memoryServices();
  const requests: RequestRecord[] = [];
  const told = new EventEmitter().setMaxListeners(0);
  const seen = new Map<string, number>();
  let { faults } = options;
  const registry = await startRegistry({
    shutdown: 100,
    ...options,
    services,
    onRequest: (record) => {
      requests.push(record);
      told.emit('request');
      options.onRequest?.(record);
    },
    intercept: async (request, response) => {
      const { method = '', url: path = '', headers } = request;
      const key = `${method} ${path}`;
      const repeated = seen.get(key) ?? 0;
      seen.set(key, repeated + 1);
      const fault = faults?.({ method, path, headers, repeated });
      if (fault !== undefined && (await injectFault(request, response, fault))) return true;
      return (await options.intercept?.(request, response)) ?? false;
    },
  });
  return {
    url: registry.url,
    address: registry.address,
    services,
    requests,
    async requested(passes, { signal } = {}) {
      for (;;) {
        const found = requests.find(passes);
        if (found !== undefined) return found;
        await once(told, 'request', { signal }).catch((error: unknown) => {
          signal?.throwIfAborted();
          throw error;
        });
      }
    },
    plan: (next) => {
      faults = next;
    },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}
