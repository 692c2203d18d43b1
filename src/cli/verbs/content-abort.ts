import type { Command } from '../command.ts';
import { each } from '../each.ts';

export const command: Command = {
  usage: 'REF... [flags]',
  examples: ['dray content abort upload-1'],
  positionals: { minimum: 1, what: 'a ref' },
  async run(context) {
    const services = await context.services();
    return each(context, context.arguments.positionals, async (ref) => {
      await services.content.abort(ref, { signal: context.signal });
      return ref;
    });
  },
};
