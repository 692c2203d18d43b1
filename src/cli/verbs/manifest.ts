import { remoteManifest } from '../../client/look.ts';
import type { Command } from '../command.ts';
import { platformOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REF [flags]',
  examples: [
    'dray manifest alpine:3.20',
    'dray manifest alpine:3.20 --platform linux/arm64',
    'dray manifest alpine:3.20 | jq .layers',
  ],
  options: { ...platformOptions('the index'), ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a reference' },
  async run(context) {
    // Byte for byte, whatever the flags: it is what the digest is over.
    const { bytes } = await remoteManifest(await context.registry(), context.arguments.at(0), {
      platforms: context.platforms,
      signal: context.signal,
    });
    await context.output.write(bytes);
    return 0;
  },
};
