import type { Command } from '../command.ts';
import { formatLabels, labelPaths, parseLabels } from '../labels.ts';

export const command: Command = {
  usage: 'NAME KEY=VALUE... [flags]',
  examples: ['dray ns label team-a owner=search', 'dray ns label team-a owner='],
  positionals: { minimum: 2, what: 'a name or a label' },
  async run(context) {
    const services = await context.services();
    const [name = '', ...words] = context.arguments.positionals;
    const labels = parseLabels(words);
    const { labels: now } = await services.namespaces.update({ name, labels }, ...labelPaths(labels));
    await context.output.result(now, formatLabels(now));
  },
};
