import { DrayError } from '../../errors.ts';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'REGISTRY [flags]',
  examples: ['dray logout ghcr.io'],
  options: {
    'auth-file': {
      type: 'string',
      value: 'FILE',
      description: "the file of credentials, in the format of docker's config.json",
    },
  },
  positionals: { minimum: 1, maximum: 1, what: 'a registry' },
  async run({ arguments: args, output }) {
    const { eraseCredentials } = await import('../../remotes/docker/auth-file.ts');
    const registry = args.at(0);
    const erased = await eraseCredentials(registry, { file: args.string('auth-file') });
    if (!erased) throw new DrayError('not-found', `no credentials for ${registry} are kept`);
    await output.result({ registry }, registry);
  },
};
