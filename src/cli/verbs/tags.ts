import type { Command } from '../command.ts';
import { listOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REPOSITORY [flags]',
  examples: ['dray tags alpine', 'dray tags registry.example.com/team/app'],
  options: { ...listOptions, ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a repository' },
  async run(context) {
    const registry = await context.registry();
    const { output, signal } = context;
    await output.names(registry.tags(context.arguments.at(0), { signal }));
    return 0;
  },
};
