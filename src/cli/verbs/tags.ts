import type { Command } from '../command.ts';
import { listOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REPOSITORY [flags]',
  examples: ['dray tags alpine', 'dray tags registry.example.com/team/app'],
  options: { ...listOptions, ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a repository' },
  async run(context) {
    const registry = await (await context.client()).registry();
    const { output, signal } = context;
    const repository = context.arguments.at(0);
    if (output.json) await output.list(registry.tags(repository, { signal }), [], (tag) => tag);
    else for await (const tag of registry.tags(repository, { signal })) await output.line(tag);
    return 0;
  },
};
