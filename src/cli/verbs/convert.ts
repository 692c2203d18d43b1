import { DrayError } from '../../errors.ts';
import type { Command } from '../command.ts';
import { platformOptions } from '../options.ts';
import { conversionOf, conversionOptions } from '../schema1.ts';

export const command: Command = {
  usage: 'REF NEW [--oci|--docker] [flags]',
  examples: ['dray convert app:1 app:1-oci', 'dray convert app:1 app:1-docker --docker'],
  options: {
    oci: { type: 'boolean', private: true, description: 'to the media types of the OCI (default)' },
    docker: { type: 'boolean', private: true, description: 'to the media types of Docker' },
    'skip-missing': { type: 'boolean', description: 'leave out manifests that are not in the store' },
    ...conversionOptions,
    ...platformOptions('all'),
  },
  positionals: { minimum: 2, maximum: 2, what: 'a reference or the new name' },
  async run(context) {
    const { arguments: args, output, signal, platforms } = context;
    if (args.flag('oci') && args.flag('docker'))
      throw new DrayError('invalid-argument', '--oci and --docker exclude each other', { hint: 'give one of them' });
    const client = await context.client();
    const family = args.flag('docker') ? 'docker' : 'oci';
    const made = await client.convert(args.at(0), args.at(1), {
      family,
      platforms,
      skipMissing: args.flag('skip-missing'),
      schema1: conversionOf(args),
      signal,
    });
    for (const loss of made.losses) output.note(`lost: ${loss.what} of ${loss.digest}`);
    const { nameWithDigest } = await import('../../client/store-place.ts');
    await output.result(made, nameWithDigest(made.name, made.target));
  },
};
