import type { Command } from '../command.ts';
import { registryOptions } from '../options.ts';

export const command: Command = {
  usage: 'REF DIGEST TYPE [flags]',
  examples: ['dray content push-object registry.example.com/app sha256:… application/octet-stream'],
  options: registryOptions,
  positionals: { minimum: 3, maximum: 3, what: 'a reference, a digest or a media type' },
  async run(context) {
    const client = await context.client();
    const { parseDigest } = await import('../../spec/digest.ts');
    const [reference = '', digest = '', mediaType = ''] = context.arguments.positionals;
    const pushed = await client.pushObject(reference, parseDigest(digest), mediaType, { signal: context.signal });
    await context.output.result(pushed, pushed.digest);
  },
};
