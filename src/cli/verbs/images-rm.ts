import type { Command } from '../command.ts';
import { each } from '../each.ts';

export const command: Command = {
  usage: 'REF... [flags]',
  examples: ['dray images rm alpine:3.20', 'dray images rm app:1 app:2 --sync'],
  options: { sync: { type: 'boolean', description: 'return when the content that nobody else needs is gone' } },
  positionals: { minimum: 1, what: 'a reference' },
  async run(context) {
    const services = await context.services();
    const { findImage } = await import('../../client/store-place.ts');
    const synchronous = context.arguments.flag('sync');
    return each(context, context.arguments.positionals, async (reference) => {
      const { name } = await findImage(services.images, reference);
      await services.images.delete(name, { synchronous, signal: context.signal });
      return name;
    });
  },
};
