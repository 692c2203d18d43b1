import { readFile } from 'node:fs/promises';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: '',
  examples: ['dray version', 'dray version --json'],
  options: {},
  positionals: { minimum: 0, maximum: 0, what: '' },
  async run({ output }) {
    const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    await output.result(
      { version, node: process.versions.node, platform: process.platform, architecture: process.arch },
      `dray ${version}`,
    );
    return 0;
  },
};
