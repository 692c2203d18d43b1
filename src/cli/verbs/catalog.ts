import type { Command } from '../command.ts';
import { listOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REGISTRY [flags]',
  examples: ['dray catalog localhost:5000', 'dray catalog registry.example.com --ndjson'],
  options: { ...listOptions, ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a registry' },
  async run(context) {
    const registry = await context.registry();
    const { output, signal } = context;
    await output.names(registry.catalog(context.arguments.at(0), { signal }));
  },
};
