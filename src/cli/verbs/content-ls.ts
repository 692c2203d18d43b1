import type { Command } from '../command.ts';
import { formatLabels } from '../labels.ts';
import { listOptions } from '../options.ts';
import { formatDuration, formatSize } from '../units.ts';

export const command: Command = {
  usage: '[FILTER...] [flags]',
  examples: ['dray content ls', `dray content ls 'labels."containerd.io/gc.root"'`, 'dray content ls -q'],
  options: listOptions,
  positionals: { minimum: 0 },
  async run(context) {
    const services = await context.services();
    await context.output.list(
      services.content.walk(...context.arguments.positionals),
      [
        { head: 'DIGEST', value: (info) => info.digest },
        { head: 'SIZE', right: true, value: (info) => formatSize(info.size) },
        { head: 'AGE', right: true, value: (info) => formatDuration(Date.now() - info.createdAt.milliseconds) },
        { head: 'LABELS', value: (info) => formatLabels(info.labels) },
      ],
      (info) => info,
    );
  },
};
