import type { Command } from '../command.ts';
import { formatLabels } from '../labels.ts';
import { listOptions } from '../options.ts';

export const command: Command = {
  usage: '[FILTER...] [flags]',
  examples: ['dray lease ls', 'dray lease ls labels.job==nightly'],
  options: listOptions,
  positionals: { minimum: 0 },
  async run(context) {
    const services = await context.services();
    await context.output.list(
      services.leases.list(...context.arguments.positionals),
      [
        { head: 'ID', value: (lease) => lease.id },
        { head: 'CREATED', value: (lease) => lease.createdAt.toString().slice(0, 19).replace('T', ' ') },
        { head: 'EXPIRES', value: (lease) => lease.expiresAt?.toString().slice(0, 19).replace('T', ' ') ?? 'never' },
        { head: 'LABELS', value: (lease) => formatLabels(lease.labels) },
      ],
      (lease) => lease,
    );
  },
};
