import { DrayError } from '../../errors.ts';
import type { Command } from '../command.ts';
import { completionFor } from '../completion.ts';

/** Completes these commands. */
export const completionOf = (commands: Parameters<typeof completionFor>[1]): Command => ({
  usage: 'bash|zsh|fish',
  examples: ['source <(dray completion bash)', 'dray completion fish > ~/.config/fish/completions/dray.fish'],
  options: {},
  positionals: { minimum: 1, maximum: 1, what: 'a shell' },
  async run({ arguments: args, output }) {
    const script = completionFor(args.at(0), commands);
    if (script === undefined)
      throw new DrayError('invalid-argument', `no completion for ${JSON.stringify(args.at(0))}`, {
        hint: 'there is one for bash, zsh and fish',
      });
    await output.write(script);
    return 0;
  },
});
