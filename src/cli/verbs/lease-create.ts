import type { Command } from '../command.ts';
import { parseLabels } from '../labels.ts';

export const command: Command = {
  usage: '[KEY=VALUE...] [flags]',
  examples: ['dray lease create --expires 24h', 'dray lease create --id nightly job=nightly'],
  options: {
    id: { type: 'string', value: 'ID', private: true, description: 'its name; made up if not given' },
    expires: {
      type: 'string',
      value: 'TIME',
      duration: true,
      private: true,
      description: 'hold nothing any more after this long (default: never)',
    },
  },
  positionals: { minimum: 0 },
  async run(context) {
    const { arguments: args, output } = context;
    const services = await context.services();
    const { Timestamp } = await import('../../spec/timestamp.ts');
    const expires = args.duration('expires');
    const expiresAt = expires === undefined ? undefined : Timestamp.fromDate(new Date(Date.now() + expires));
    const lease = await services.leases.create({
      id: args.string('id'),
      labels: parseLabels(args.positionals),
      expiresAt,
    });
    await output.result(lease, lease.id);
  },
};
