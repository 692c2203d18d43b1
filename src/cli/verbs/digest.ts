import { resolveImage } from '../../client/look.ts';
import type { Command } from '../command.ts';
import { platformOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REF [flags]',
  examples: ['dray digest alpine:3.20', 'dray digest alpine:3.20 --platform linux/arm64'],
  options: { ...platformOptions('the index'), ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a reference' },
  async run(context) {
    const { descriptor } = await resolveImage(await context.registry(), context.arguments.at(0), {
      platforms: context.platforms,
      signal: context.signal,
    });
    await context.output.result(descriptor, descriptor.digest);
    return 0;
  },
};
