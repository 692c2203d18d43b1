import type { Command } from '../command.ts';
import { platformOptions, registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'SOURCE [flags]',
  examples: [
    'dray manifest alpine:3.20',
    'dray manifest alpine:3.20 --platform linux/arm64 | jq .layers',
    'dray manifest oci-archive:app.tar',
  ],
  options: { ...platformOptions('the index'), ...registryOptions },
  positionals: { minimum: 1, maximum: 1, what: 'a source' },
  async run(context) {
    // Byte for byte, whatever the flags: it is what the digest is over.
    const place = context.arguments.at(0);
    const client = await context.clientFor(place);
    const { bytes } = await client.manifest(place, { platforms: context.platforms, signal: context.signal });
    await context.output.write(bytes);
  },
};
