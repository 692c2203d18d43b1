import type { Command } from '../command.ts';
import { formatSize } from '../units.ts';

export const command: Command = {
  usage: 'REF [flags]',
  examples: ['dray images usage app:1', 'dray images usage app:1 --json'],
  positionals: { minimum: 1, maximum: 1, what: 'a reference' },
  async run(context) {
    const client = await context.client();
    const { findImage } = await import('../../client/store-place.ts');
    const store = await context.store();
    const { name } = await findImage(client.services.images, context.arguments.at(0));
    const usage = await store.usage(client.services.namespace, name);
    const lines = [
      `content     ${formatSize(usage.bytes)} in ${usage.blobs} blobs`,
      `of its own  ${formatSize(usage.exclusiveBytes)} in ${usage.exclusiveBlobs} blobs, which would go with it`,
    ];
    await context.output.result({ name, ...usage }, lines.join('\n'));
  },
};
