import type { Command } from '../command.ts';
import { platformOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'SOURCE [flags]',
  examples: [
    'dray config alpine:3.20',
    'dray config alpine:3.20 --platform linux/arm64 | jq .config.Env',
    'dray config store:app:1',
  ],
  options: { ...platformOptions('this machine'), ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a source' },
  async run(context) {
    const place = context.arguments.at(0);
    const client = await context.clientFor(place);
    const { bytes } = await client.config(place, { platforms: context.platforms, signal: context.signal });
    await context.output.write(bytes);
  },
};
