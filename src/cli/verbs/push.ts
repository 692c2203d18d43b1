import type { Command } from '../command.ts';
import { each, sayCopied } from '../each.ts';
import { platformOptions, referrersOption, registryOptions, repairOption, transferOptions } from '../options.ts';

export const command: Command = {
  usage: 'REF [TARGET] [flags]',
  examples: [
    'dray push localhost:5000/app:1',
    'dray push app:1 registry.example.com/team/app:1',
    'dray push app:1 registry.example.com/app:1 -t latest -t 1.0',
    'dray push app:1 old.example.com/app:1 --schema1 --platform linux/amd64',
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
    ...referrersOption,
    ...repairOption,
    'non-distributable': {
      type: 'boolean',
      description: 'also send layers that their owner does not want in other registries',
    },
    schema1: {
      type: 'boolean',
      description: 'send one platform as Docker schema 1, signed, to a registry that knows nothing newer',
    },
    ...platformOptions('all'),
    ...transferOptions,
    ...registryOptions,
  },
  positionals: { minimum: 1, maximum: 2, what: 'a reference' },
  async run(context) {
    const schema1 = context.arguments.flag('schema1');
    const platforms = context.platforms ?? (schema1 ? undefined : 'all');
    const client = await context.client();
    const progress = await context.progress('push');
    const [name = '', target = name] = context.arguments.positionals;
    return each(context, [name], async () => {
      const copied = await client.push(name, {
        target,
        tags: context.arguments.list('tag'),
        referrers: context.arguments.flag('referrers'),
        repair: context.arguments.flag('repair'),
        nonDistributable: context.arguments.flag('non-distributable'),
        schema1,
        platforms,
        root: 'manifest',
        concurrency: context.arguments.integer('concurrency'),
        signal: context.signal,
        onProgress: (event) => progress.report(event),
      });
      return sayCopied(copied);
    });
  },
};
