import type { Client } from '../../client/client.ts';
import type { CopyOptions } from '../../client/copy.ts';
import { DrayError } from '../../errors.ts';
import type { Digest } from '../../spec/digest.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { each, sayCopied } from '../each.ts';
import { platformOptions, referrersOption, registryOptions, repairOption, transferOptions } from '../options.ts';
import { askedConversion, schema1Options } from '../schema1.ts';

export const command: Command = {
  usage: 'SOURCE TARGET [flags]',
  examples: [
    'dray copy alpine:3.20 registry.example.com/alpine:3.20',
    'dray copy ghcr.io/acme/app:1 store:app:1',
    'dray copy ghcr.io/acme/app registry.example.com/app --all-tags',
    'dray copy ghcr.io/acme/app:1 registry.example.com/app:1 --referrers',
  ],
  options: {
    tag: {
      type: 'string',
      short: 't',
      value: 'TAG',
      multiple: true,
      private: true,
      description: 'another tag for the image, may be given several times',
    },
    'all-tags': { type: 'boolean', description: 'every tag of the source repository' },
    ...referrersOption,
    ...repairOption,
    'digest-tags': {
      type: 'boolean',
      description: 'also tags that are named after a digest of the image (sha256-….sig)',
    },
    'non-distributable': {
      type: 'boolean',
      description: 'also layers that their owner does not want in other registries',
    },
    ...schema1Options,
    ...platformOptions('all'),
    ...transferOptions,
    ...registryOptions,
  },
  positionals: { minimum: 2, maximum: 2, what: 'a source or a target' },
  async run(context) {
    const args = context.arguments;
    const [source = '', target = ''] = args.positionals;
    if (args.flag('all-tags') && args.list('tag').length > 0) throw excluded();
    const client = await context.clientFor(source, target);
    const progress = await context.progress('copy');
    const options: CopyOptions = {
      tags: args.list('tag'),
      referrers: args.flag('referrers'),
      repair: args.flag('repair'),
      nonDistributable: args.flag('non-distributable'),
      convertSchema1: askedConversion(args),
      platforms: context.platforms ?? 'all',
      root: 'manifest',
      concurrency: args.integer('concurrency'),
      signal: context.signal,
      onProgress: (event) => progress.report(event),
    };
    if (args.flag('all-tags')) return await copyEveryTag(context, client, source, target, options);
    return each(context, [`${source} ${target}`], async () => {
      const copyDigestTags = (digests: readonly Digest[]): Promise<number> =>
        client.copyDigestTags(source, target, digests, { signal: context.signal });
      // A place without tags is refused before anything travels.
      if (args.flag('digest-tags')) await copyDigestTags([]);
      const copied = await client.copy(source, target, options);
      const digests = copied.documents.map((document) => document.digest);
      if (args.flag('digest-tags')) await copyDigestTags(digests);
      return sayCopied(copied);
    });
  },
};

function excluded(): DrayError {
  return new DrayError('invalid-argument', '--all-tags and --tag exclude each other', {
    hint: 'every tag keeps its name; give the further one to a single image',
  });
}

// Those that are named after a digest are among them.
async function copyEveryTag(
  context: Context,
  client: Client,
  source: string,
  target: string,
  options: CopyOptions,
): Promise<number> {
  const pairs = await client.everyTag(source, target, { signal: context.signal });
  await using copies = client.copyEach(pairs, options);
  return await each(
    context,
    pairs.map((pair) => `${pair.source} ${pair.target}`),
    async () => {
      const { value: result } = await copies.next();
      if (result?.status === 'fulfilled') return sayCopied(result.value);
      throw result?.reason;
    },
  );
}
