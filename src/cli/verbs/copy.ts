import type { Digest } from '../../spec/digest.ts';
import type { Command } from '../command.ts';
import { each, sayCopied } from '../each.ts';
import { platformOptions, registryOptions, transferOptions } from '../options.ts';
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
    referrers: { type: 'boolean', description: 'also what refers to the image: signatures, attestations' },
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
    const platforms = context.platforms ?? 'all';
    const client = await context.client();
    const progress = await context.progress('copy');
    const args = context.arguments;
    const [source = '', target = ''] = args.positionals;
    const pairs = args.flag('all-tags')
      ? await client.everyTag(source, target, { signal: context.signal })
      : [{ source, target }];
    // Every tag is copied: those that are named after a digest are among them.
    const bringsDigestTags = args.flag('digest-tags') && !args.flag('all-tags');
    const names = pairs.map((pair) => `${pair.source} ${pair.target}`);
    return each(context, names, async (_, index) => {
      const pair = pairs[index] ?? { source, target };
      const copyDigestTags = (digests: readonly Digest[]): Promise<number> =>
        client.copyDigestTags(pair.source, pair.target, digests, { signal: context.signal });
      // A place without tags is refused before anything travels.
      if (bringsDigestTags) await copyDigestTags([]);
      const copied = await client.copy(pair.source, pair.target, {
        tags: args.list('tag'),
        referrers: args.flag('referrers'),
        nonDistributable: args.flag('non-distributable'),
        convertSchema1: askedConversion(args),
        platforms,
        root: 'manifest',
        concurrency: args.integer('concurrency'),
        signal: context.signal,
        onProgress: (event) => progress.report(event),
      });
      const digests = copied.documents.map((document) => document.digest);
      if (bringsDigestTags) await copyDigestTags(digests);
      return sayCopied(copied);
    });
  },
};
