import type { Command } from '../command.ts';
import { formatLabels, labelPaths, parseLabels } from '../labels.ts';

export const command: Command = {
  usage: 'REF KEY=VALUE... [flags]',
  examples: ['dray images label app:1 team=search', 'dray images label app:1 team='],
  positionals: { minimum: 2, what: 'a reference or a label' },
  async run(context) {
    const services = await context.services();
    const { findImage } = await import('../../client/store-place.ts');
    const [reference = '', ...words] = context.arguments.positionals;
    const labels = parseLabels(words);
    const { name, target } = await findImage(services.images, reference);
    const { labels: now } = await services.images.update({ name, target, labels }, ...labelPaths(labels));
    await context.output.result(now, formatLabels(now));
  },
};
