import type { Command } from '../command.ts';
import { formatLabels, labelPaths, parseLabels } from '../labels.ts';

export const command: Command = {
  usage: 'DIGEST KEY=VALUE... [flags]',
  examples: ['dray content label sha256:… team=search', 'dray content label sha256:… team='],
  positionals: { minimum: 2, what: 'a digest or a label' },
  async run(context) {
    const services = await context.services();
    const { parseDigest } = await import('../../spec/digest.ts');
    const [digest = '', ...words] = context.arguments.positionals;
    const labels = parseLabels(words);
    const info = await services.content.update({ digest: parseDigest(digest), labels }, ...labelPaths(labels));
    await context.output.result(info.labels, formatLabels(info.labels));
  },
};
