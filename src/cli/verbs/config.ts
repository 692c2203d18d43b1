import { remoteConfig } from '../../client/look.ts';
import type { Command } from '../command.ts';
import { platformOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REF [flags]',
  examples: ['dray config alpine:3.20', 'dray config alpine:3.20 --platform linux/arm64 | jq .config.Env'],
  options: { ...platformOptions('this machine'), ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a reference' },
  async run(context) {
    const { bytes } = await remoteConfig(await context.registry(), context.arguments.at(0), {
      platforms: context.platforms,
      signal: context.signal,
    });
    await context.output.write(bytes);
    return 0;
  },
};
