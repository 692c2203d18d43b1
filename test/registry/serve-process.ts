import { openStore } from '../../src/metadata/open-store.ts';
import { type RegistryOptions, startRegistry } from '../../src/registry/index.ts';

/**
 * A registry in a process of its own, to be killed or measured: `serve-process.ts ROOT OPTIONS`, with options in JSON. Prints
 * its URL. At `/memory` it tells the most memory that it has had, in bytes, and at `/collected` how much collections removed.
 */
const [root = '', options = '{}'] = process.argv.slice(2);
const { durability = 'full', ...given } = JSON.parse(options) as Partial<RegistryOptions> & {
  durability?: 'full' | 'none';
};
const store = await openStore({ root, durability });
let peak = 0;
let collected = 0;
setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 5).unref();

const registry = await startRegistry({
  ...given,
  services: store.services('default'),
  collect: async (signal) => {
    collected += (await store.collect(signal)).content;
  },
  onError: (error) => console.error(error),
  onRequest: ({ status, path, error }) => {
    if (status >= 500) console.error(status, path, error);
  },
  intercept: async ({ url }, response) => {
    const answers: Record<string, () => number> = { '/memory': () => peak, '/collected': () => collected };
    const answer = answers[url ?? ''];
    if (answer !== undefined) response.end(String(answer()));
    return answer !== undefined;
  },
});
console.log(`serving ${registry.url}`);
process.once('SIGTERM', async () => {
  await registry[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  process.exit(0);
});
