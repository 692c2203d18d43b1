import { join } from 'node:path';
import type { Case, Contestant } from '../rounds.ts';

/** How long commands take that do nothing, beside a Node that does nothing. */
export function startCase(program: string, directory: string): Case {
  const root = ['--root', join(directory, 'root')];
  const contestant = (tool: string, words: readonly string[], code = 0): Contestant => {
    const command = { words: [process.execPath, ...words], code };
    // The compile cache and the store are there from the first call on.
    return { tool, ours: words[0] === program, durable: undefined, command, prepare: async () => {} };
  };
  return {
    name: 'start',
    subject: 'commands that have nothing to do',
    contestants: [
      contestant('node -e 0', ['-e', '0']),
      contestant('dray version', [program, 'version']),
      contestant('dray images ls', [program, 'images', 'ls', ...root]),
      // Ends where it would connect: 9, refused.
      contestant('dray pull', [program, 'pull', '127.0.0.1:9/bench/image:v1', '--offline', ...root], 9),
    ],
  };
}
