import type { Command } from '../command.ts';
import { listOptions } from '../options.ts';
import { formatDuration, formatSize } from '../units.ts';

export const command: Command = {
  usage: '[FILTER...] [flags]',
  examples: ['dray content status', "dray content status 'ref~=^layer-'"],
  options: listOptions,
  positionals: { minimum: 0 },
  async run(context) {
    const services = await context.services();
    await context.output.list(
      services.content.statuses(...context.arguments.positionals),
      [
        { head: 'REF', value: (status) => status.ref },
        { head: 'STATE', value: (status) => (status.active === undefined ? '?' : status.active ? 'active' : 'idle') },
        { head: 'OFFSET', right: true, value: (status) => formatSize(status.offset) },
        {
          head: 'TOTAL',
          right: true,
          value: (status) => (status.total === undefined ? '?' : formatSize(status.total)),
        },
        { head: 'AGE', right: true, value: (status) => formatDuration(Date.now() - status.startedAt.milliseconds) },
        {
          head: 'UPDATED',
          right: true,
          value: (status) => `${formatDuration(Date.now() - status.updatedAt.milliseconds)} ago`,
        },
      ],
      (status) => status,
    );
  },
};
