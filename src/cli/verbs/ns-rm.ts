import type { Command } from '../command.ts';
import { each } from '../each.ts';

export const command: Command = {
  usage: 'NAME... [flags]',
  examples: ['dray ns rm team-a'],
  positionals: { minimum: 1, what: 'a name' },
  async run(context) {
    const services = await context.services();
    return each(context, context.arguments.positionals, async (name) => {
      await services.namespaces.delete(name, { signal: context.signal });
      return name;
    });
  },
};
