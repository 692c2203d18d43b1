import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'DIGEST [flags]',
  examples: ['dray content get sha256:… > layer.tar.gz', 'dray content get sha256:… | jq .'],
  positionals: { minimum: 1, maximum: 1, what: 'a digest' },
  async run(context) {
    const services = await context.services();
    const { parseDigest } = await import('../../spec/digest.ts');
    await using reader = await services.content.reader({ digest: parseDigest(context.arguments.at(0)) });
    const stream = reader.stream({ transient: true, signal: context.signal });
    for await (const chunk of stream) {
      await context.output.writeThrough(chunk);
      if (context.output.gone) break;
    }
  },
};
