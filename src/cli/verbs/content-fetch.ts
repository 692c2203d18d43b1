import type { Command } from '../command.ts';
import { each, sayCopied } from '../each.ts';
import { platformOptions, registryOptions, transferOptions } from '../options.ts';
import { askedConversion, schema1Options } from '../schema1.ts';

export const command: Command = {
  usage: 'REF... [flags]',
  examples: ['dray content fetch alpine:3.20 --all-platforms'],
  options: { ...schema1Options, ...platformOptions('this machine'), ...transferOptions, ...registryOptions },
  positionals: { minimum: 1, what: 'a reference' },
  async run(context) {
    const { platforms, signal } = context;
    const client = await context.client();
    const progress = await context.progress('pull');
    const concurrency = context.arguments.integer('concurrency');
    return each(context, context.arguments.positionals, async (reference) =>
      sayCopied(
        await client.fetch(reference, {
          platforms,
          concurrency,
          convertSchema1: askedConversion(context.arguments),
          signal,
          onProgress: (event) => progress.report(event),
        }),
      ),
    );
  },
};
