import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'DIGEST [flags]',
  examples: ['dray content edit sha256:…', 'EDITOR=nano dray content edit sha256:…'],
  options: {
    label: {
      type: 'string',
      value: 'KEY=VALUE',
      multiple: true,
      private: true,
      description: 'a label for the new blob',
    },
  },
  positionals: { minimum: 1, maximum: 1, what: 'a digest' },
  async run(context) {
    const services = await context.services();
    const [{ editContent, usualEditor }, { parseDigest }, { parseLabels }] = await Promise.all([
      import('../edit.ts'),
      import('../../spec/digest.ts'),
      import('../labels.ts'),
    ]);
    const editor = context.environment['VISUAL'] || context.environment['EDITOR'] || usualEditor;
    const labels = parseLabels(context.arguments.list('label'));
    const digest = await editContent(services.content, parseDigest(context.arguments.at(0)), {
      editor,
      labels,
      signal: context.signal,
    });
    await context.output.result({ digest }, digest);
  },
};
