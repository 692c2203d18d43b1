import type { Command } from '../command.ts';
import { platformOptions, transferOptions } from '../options.ts';
import { askedConversion, schema1Options } from '../schema1.ts';

export const command: Command = {
  usage: 'FILE|DIR|- [flags]',
  examples: [
    'dray import images.tar',
    'docker save alpine:3.20 | dray import -',
    'dray import layout/ --prefix registry.example.com/team/app',
    'dray import app.tar --name registry.example.com/app:1',
  ],
  options: {
    name: { type: 'string', value: 'REF', private: true, description: 'take one image under this name' },
    object: {
      type: 'string',
      value: 'NAME',
      private: true,
      description: 'which image --name stands for: a tag, a name or a digest',
    },
    prefix: {
      type: 'string',
      value: 'REPOSITORY',
      description: 'names that are only tags become tags of this repository; no name may lie outside it',
    },
    foreign: { type: 'boolean', description: 'let names lie outside the prefix' },
    digests: { type: 'boolean', description: 'also name images by digest that have no other name' },
    'index-name': { type: 'string', value: 'REF', private: true, description: 'also name the whole index of a layout' },
    overwrite: { type: 'boolean', description: 'let names move that stand for something else' },
    'skip-missing': { type: 'boolean', description: 'keep images that lack some of their content' },
    recompress: {
      type: 'string',
      value: 'HOW',
      choices: ['gzip', 'zstd'],
      description: 'compress the layers of a docker archive; changes the digest',
    },
    label: { type: 'string', value: 'KEY=VALUE', multiple: true, private: true, description: 'a label for each image' },
    ...schema1Options,
    ...platformOptions('those that are there'),
    progress: transferOptions['progress'] ?? { type: 'string', description: '' },
  },
  positionals: { minimum: 1, maximum: 1, what: 'a file, a directory or -' },
  async run(context) {
    const { arguments: args, output, signal } = context;
    const [{ parseLabels }, { importProgress }] = await Promise.all([
      import('../labels.ts'),
      import('../progress/import.ts'),
    ]);
    const client = await context.client();
    const source = args.at(0);
    using _input = { [Symbol.dispose]: () => void (source === '-' && process.stdin.destroy()) };
    using progress = importProgress(args.string('progress') ?? 'auto', output);
    const { images, unnamed } = await client.import(source === '-' ? process.stdin : source, {
      name: args.string('name'),
      object: args.string('object'),
      prefix: args.string('prefix'),
      foreign: args.flag('foreign'),
      digests: args.flag('digests') ? 'unnamed' : undefined,
      indexName: args.string('index-name'),
      overwrite: args.flag('overwrite'),
      skipMissing: args.flag('skip-missing'),
      recompress: args.string('recompress') as 'gzip' | 'zstd' | undefined,
      convertSchema1: askedConversion(args),
      labels: parseLabels(args.list('label')),
      platforms: context.platforms,
      onProgress: (event) => progress.report(event),
      signal,
    });
    progress.done();
    const advice =
      args.string('prefix') === undefined
        ? 'has no name; give it one with --name or --prefix'
        : 'has no name with that prefix; give it one with --name or --digests, or let it keep one of its own with --foreign';
    for (const image of unnamed) output.note(`${image.digest} ${advice}`);
    if (output.json) await output.line(JSON.stringify({ images, unnamed }, undefined, 2));
    else for (const image of images) await output.line(output.quiet ? image.target.digest : image.name);
  },
};
