import type { Command } from '../command.ts';
import { platformOptions } from '../options.ts';

export const command: Command = {
  usage: 'REF... FILE|DIR|- [flags]',
  examples: [
    'dray export alpine:3.20 alpine.tar',
    'dray export app:1 app:2 - | gzip > apps.tar.gz',
    'dray export app:1 layout/',
    'dray export alpine:3.20 - --format docker | docker load',
  ],
  options: {
    format: {
      type: 'string',
      value: 'FORMAT',
      choices: ['oci', 'docker', 'both'],
      description: 'what kind of archive (default: both in one)',
    },
    'skip-missing': { type: 'boolean', description: 'leave out content that is not in the store' },
    'distributable-only': {
      type: 'boolean',
      description: 'leave out layers that their owner does not want to be distributed',
    },
    referrers: { type: 'boolean', description: 'also what refers to the images: signatures, attestations' },
    link: {
      type: 'string',
      value: 'HOW',
      choices: ['hard', 'reflink'],
      description: 'into a directory on the same disk: link or clone blobs instead of copying',
    },
    ...platformOptions('all'),
  },
  positionals: { minimum: 2, what: 'a reference or a file' },
  async run(context) {
    const { exportTo } = await import('../export.ts');
    const names = context.arguments.positionals.slice(0, -1);
    await exportTo(context, names, context.arguments.positionals.at(-1) ?? '');
  },
};
