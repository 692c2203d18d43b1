import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'REF NEW... [flags]',
  examples: [
    'dray images tag alpine:3.20 registry.example.com/alpine:3.20',
    'dray images tag app:1 app:latest --force',
  ],
  options: { force: { type: 'boolean', private: true, description: 'also when the new name is another image now' } },
  positionals: { minimum: 2, what: 'a reference or the new name' },
  async run(context) {
    const client = await context.client();
    const [name = '', ...names] = context.arguments.positionals;
    const made: string[] = [];
    for (const one of names) made.push(await client.tag(name, one, { overwrite: context.arguments.flag('force') }));
    await context.output.result(made, made.join('\n'));
  },
};
