import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { succeed } from '../../test/support/processes.ts';
import { referenceOf, type Tool } from './tool.ts';

/** crane of go-containerregistry. Its store is an image layout. */
export function craneTool(directory: string): Tool {
  const output = join(directory, 'layout');
  const environment = { HOME: directory };
  const command = (...args: readonly string[]) => ({ words: ['crane', ...args], environment });
  const pull = (reference: string) => command('pull', '--format', 'oci', reference, output);
  return {
    name: 'crane',
    durable: false,
    ours: false,
    version: async () => (await succeed('crane', ['version'])).trim(),
    pull: (from) => ({
      ...pull(referenceOf(from)),
      prepare: () => rm(output, { recursive: true, force: true }),
      output,
    }),
    push: (image, to) => ({ ...command('push', image.layout, referenceOf(to)), prepare: async () => {} }),
    copy: (from, to) => ({ ...command('copy', referenceOf(from), referenceOf(to)), prepare: async () => {} }),
  };
}
