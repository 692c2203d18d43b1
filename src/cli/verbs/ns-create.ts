import type { Command } from '../command.ts';
import { parseLabels } from '../labels.ts';

export const command: Command = {
  usage: 'NAME [KEY=VALUE...] [flags]',
  examples: ['dray ns create team-a', 'dray ns create team-a owner=search'],
  positionals: { minimum: 1, what: 'a name' },
  async run(context) {
    const services = await context.services();
    const [name = '', ...words] = context.arguments.positionals;
    const made = await services.namespaces.create({ name, labels: parseLabels(words) });
    await context.output.result(made, made.name);
  },
};
