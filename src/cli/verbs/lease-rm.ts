import type { Command } from '../command.ts';
import { each } from '../each.ts';

export const command: Command = {
  usage: 'ID... [flags]',
  examples: ['dray lease rm nightly', 'dray lease rm nightly --sync'],
  options: { sync: { type: 'boolean', description: 'return when the content that nobody else needs is gone' } },
  positionals: { minimum: 1, what: 'an id' },
  async run(context) {
    const services = await context.services();
    const synchronous = context.arguments.flag('sync');
    return each(context, context.arguments.positionals, async (id) => {
      await services.leases.delete(id, { synchronous, signal: context.signal });
      return id;
    });
  },
};
