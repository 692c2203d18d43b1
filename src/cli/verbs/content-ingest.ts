import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'REF [flags] < FILE',
  examples: [
    'dray content ingest upload-1 < layer.tar.gz',
    'dray content ingest upload-1 --expected-digest sha256:… --expected-size 1024 < layer.tar.gz',
    'dray content ingest upload-1 --resume < layer.tar.gz',
  ],
  options: {
    'expected-digest': {
      type: 'string',
      value: 'DIGEST',
      private: true,
      description: 'fail unless the content has this digest',
    },
    'expected-size': {
      type: 'string',
      value: 'BYTES',
      private: true,
      integer: { minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      description: 'fail unless the content has this size',
    },
    resume: {
      type: 'boolean',
      private: true,
      description: 'stdin is the whole content again: skip the bytes that are there',
    },
    label: { type: 'string', value: 'KEY=VALUE', multiple: true, private: true, description: 'a label for the blob' },
  },
  positionals: { minimum: 1, maximum: 1, what: 'a ref' },
  async run(context) {
    const services = await context.services();
    const [{ parseDigest }, { ingestStream }, { parseLabels }, { standardInput }] = await Promise.all([
      import('../../spec/digest.ts'),
      import('../../client/ingest.ts'),
      import('../labels.ts'),
      import('../standard-input.ts'),
    ]);
    const digest = context.arguments.string('expected-digest');
    using input = standardInput();
    const info = await ingestStream(services.content, context.arguments.at(0), input, {
      digest: digest === undefined ? undefined : parseDigest(digest),
      size: context.arguments.integer('expected-size'),
      resume: context.arguments.flag('resume'),
      labels: parseLabels(context.arguments.list('label')),
      signal: context.signal,
    });
    await context.output.result(info, info.digest);
  },
};
