import type { OptionSpecs, Positionals } from './arguments.ts';
import type { Context } from './context.ts';

/** One verb of the command line. Its module loads nothing that `--help` does not need. */
export interface Command {
  /** What comes behind the verb: `REF... [flags]`. */
  readonly usage: string;
  /** Worked examples, the plainest first. */
  readonly examples: readonly string[];
  /** Flags besides those of every command. */
  readonly options?: OptionSpecs | undefined;
  readonly positionals: Positionals;
  /** Does it; returns the exit code when that is not 0. */
  run(context: Context): Promise<number | undefined>;
}
