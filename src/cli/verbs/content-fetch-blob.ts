import type { Command } from '../command.ts';
import { each } from '../each.ts';
import { registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REF DIGEST... [flags]',
  examples: ['dray content fetch-blob alpine sha256:…'],
  options: registryOptions,
  positionals: { minimum: 2, what: 'a reference or a digest' },
  async run(context) {
    const client = await context.client();
    const { parseDigest } = await import('../../spec/digest.ts');
    const [reference = '', ...digests] = context.arguments.positionals;
    return each(context, digests, async (text) => {
      const info = await client.fetchBlob(reference, parseDigest(text), { signal: context.signal });
      return { text: info.digest, json: info };
    });
  },
};
