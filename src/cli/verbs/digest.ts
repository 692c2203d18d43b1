import type { Command } from '../command.ts';
import { platformOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'SOURCE [flags]',
  examples: ['dray digest alpine:3.20', 'dray digest alpine:3.20 --platform linux/arm64', 'dray digest oci:layout:v1'],
  options: { ...platformOptions('the index'), ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a source' },
  async run(context) {
    const place = context.arguments.at(0);
    const client = await context.clientFor(place);
    const { descriptor } = await client.resolve(place, { platforms: context.platforms, signal: context.signal });
    await context.output.result(descriptor, descriptor.digest);
  },
};
