import type { Command } from '../command.ts';
import { formatLabels } from '../labels.ts';
import { listOptions } from '../options.ts';

export const command: Command = {
  usage: '[FILTER...] [flags]',
  examples: ['dray ns ls', 'dray ns ls -q'],
  options: listOptions,
  positionals: { minimum: 0 },
  async run(context) {
    const services = await context.services();
    await context.output.list(
      services.namespaces.list(...context.arguments.positionals),
      [
        { head: 'NAME', value: (namespace) => namespace.name },
        { head: 'LABELS', value: (namespace) => formatLabels(namespace.labels) },
      ],
      (namespace) => namespace,
    );
  },
};
