import type { Command } from '../command.ts';
import { listOptions, registryOptions } from '../options.ts';
import { formatSize } from '../units.ts';

export const command: Command = {
  usage: 'SOURCE [flags]',
  examples: [
    'dray referrers ghcr.io/acme/app:1',
    'dray referrers ghcr.io/acme/app:1 --artifact-type application/spdx+json',
    'dray referrers store:app:1',
  ],
  options: {
    'artifact-type': { type: 'string', value: 'TYPE', private: true, description: 'only those of this type' },
    ...listOptions,
    ...registryOptions,
  },
  positionals: { minimum: 1, maximum: 1, what: 'a source' },
  async run(context) {
    const { arguments: args, output, signal } = context;
    const place = args.at(0);
    const client = await context.clientFor(place);
    await output.list(
      client.referrers(place, { artifactType: args.string('artifact-type'), signal }),
      [
        { head: 'DIGEST', value: (referrer) => referrer.digest },
        { head: 'TYPE', value: (referrer) => referrer.artifactType ?? referrer.mediaType },
        { head: 'SIZE', right: true, value: (referrer) => formatSize(referrer.size) },
      ],
      (referrer) => referrer,
    );
  },
};
