import type { Command } from '../command.ts';
import { each } from '../each.ts';
import { registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REF... [flags]',
  examples: ['dray delete registry.example.com/app:1', 'dray delete registry.example.com/app@sha256:…'],
  options: registryOptions,
  positionals: { minimum: 1, what: 'a reference' },
  async run(context) {
    const registry = await context.registry();
    return each(context, context.arguments.positionals, async (reference) => {
      await registry.delete(reference, { signal: context.signal });
      return reference;
    });
  },
};
