import { DrayError } from '../../errors.ts';
import type { Command } from '../command.ts';
import { completionFor } from '../completion.ts';
import { commonOptions } from '../options.ts';

type Commands = Readonly<
  Record<string, { readonly summary: string; readonly load: () => Promise<{ readonly command: Command }> }>
>;

/** Completes these commands. */
export const completionOf = (commands: Commands): Command => ({
  usage: 'bash|zsh|fish',
  examples: ['source <(dray completion bash)', 'dray completion fish > ~/.config/fish/completions/dray.fish'],
  positionals: { minimum: 1, maximum: 1, what: 'a shell' },
  async run({ arguments: args, output }) {
    const verbs = await Promise.all(
      Object.entries(commands).map(async ([name, { summary, load }]) => {
        const { options } = (await load()).command;
        return { name, summary, options: { ...options, ...commonOptions } };
      }),
    );
    const script = completionFor(args.at(0), verbs);
    if (script === undefined)
      throw new DrayError('invalid-argument', `no completion for ${JSON.stringify(args.at(0))}`, {
        hint: 'there is one for bash, zsh and fish',
      });
    await output.write(script);
  },
});
