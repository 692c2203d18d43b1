import type { Command } from '../command.ts';
import { each } from '../each.ts';

export const command: Command = {
  usage: 'ID DIGEST... [flags]',
  examples: ['dray lease add nightly sha256:…'],
  positionals: { minimum: 2, what: 'an id or a digest' },
  async run(context) {
    const services = await context.services();
    const { parseDigest } = await import('../../spec/digest.ts');
    const [id = '', ...digests] = context.arguments.positionals;
    return each(context, digests, async (text) => {
      await services.leases.addResource(id, { type: 'content', id: parseDigest(text) });
      return text;
    });
  },
};
