import type { Command } from '../command.ts';
import { listOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REPOSITORY [flags]',
  examples: ['dray tags alpine', 'dray tags registry.example.com/team/app', 'dray tags docker-archive:images.tar'],
  options: { ...listOptions, ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a repository' },
  async run(context) {
    const { output, signal } = context;
    const place = context.arguments.at(0);
    const client = await context.clientFor(place);
    await output.names(client.tags(place, { signal }));
  },
};
