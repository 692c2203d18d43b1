import type { Command } from '../command.ts';
import { each } from '../each.ts';

export const command: Command = {
  usage: 'DIGEST... [flags]',
  examples: ['dray content rm sha256:…'],
  positionals: { minimum: 1, what: 'a digest' },
  async run(context) {
    const services = await context.services();
    const { parseDigest } = await import('../../spec/digest.ts');
    return each(context, context.arguments.positionals, async (text) => {
      const digest = parseDigest(text);
      await services.content.delete(digest, { signal: context.signal });
      return digest;
    });
  },
};
