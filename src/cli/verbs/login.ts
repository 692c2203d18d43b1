import { DrayError } from '../../errors.ts';
import type { Command } from '../command.ts';
import { registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REGISTRY [flags]',
  examples: ['dray login ghcr.io -u me --password-stdin < token.txt', 'dray login localhost:5000 -u me'],
  options: {
    username: { type: 'string', short: 'u', value: 'USER', description: 'who to be' },
    password: {
      type: 'string',
      short: 'p',
      value: 'TEXT',
      private: true,
      description: 'the password; other users of the machine can see it, so prefer --password-stdin',
    },
    'password-stdin': { type: 'boolean', private: true, description: 'read the password from stdin' },
    ...registryOptions,
  },
  positionals: { minimum: 1, maximum: 1, what: 'a registry' },
  async run(context) {
    const { arguments: args, output, signal } = context;
    const registry = args.at(0);
    const { readPassword } = await import('../password.ts');
    const username = args.string('username');
    if (username === undefined)
      throw new DrayError('invalid-argument', 'who to log in as is missing', { hint: 'add -u USER' });
    if (args.string('password') !== undefined)
      output.note('warning: a password on the command line is visible to others; use --password-stdin');
    const password =
      args.string('password') ?? (await readPassword(args.flag('password-stdin'), output.stderr, signal));
    const [{ passwordCredentials }, { storeCredentials }] = await Promise.all([
      import('../../remotes/docker/credentials.ts'),
      import('../../remotes/docker/auth-file.ts'),
    ]);
    const credentials = passwordCredentials(username, password, 'login');
    const client = await context.registry();
    const checked = await client.verifyLogin(registry, credentials, { signal });
    if (!checked) output.note(`warning: ${registry} lets everybody in and has not looked at the credentials`);
    await storeCredentials(registry, credentials, { file: args.string('auth-file') });
    await output.result({ registry, username, checked }, registry);
  },
};
