import type { Command } from '../command.ts';
import { formatLabels } from '../labels.ts';
import { formatSize } from '../units.ts';

export const command: Command = {
  usage: 'DIGEST [flags]',
  examples: ['dray content info sha256:…', 'dray content info sha256:… --json'],
  positionals: { minimum: 1, maximum: 1, what: 'a digest' },
  async run(context) {
    const services = await context.services();
    const { parseDigest } = await import('../../spec/digest.ts');
    const info = await services.content.info(parseDigest(context.arguments.at(0)));
    const lines = [
      `digest   ${info.digest}`,
      `size     ${info.size} (${formatSize(info.size)})`,
      `created  ${info.createdAt}`,
      `updated  ${info.updatedAt}`,
      `labels   ${formatLabels(info.labels)}`,
    ];
    await context.output.result(info, lines.join('\n'));
  },
};
