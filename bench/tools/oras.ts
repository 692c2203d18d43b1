import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { succeed } from '../../test/support/processes.ts';
import { type Place, referenceOf, type Tool } from './tool.ts';

/** oras. Its store is an image layout. */
export function orasTool(directory: string): Tool {
  const layout = join(directory, 'layout');
  const environment = { HOME: directory };
  const copy = (...args: readonly string[]) => ({ words: ['oras', 'copy', '--no-tty', ...args], environment });
  const emptied = { output: layout, prepare: () => rm(layout, { recursive: true, force: true }) };
  const pull = (from: Place) => copy('--from-plain-http', referenceOf(from), '--to-oci-layout', `${layout}:v1`);
  return {
    name: 'oras',
    durable: false,
    ours: false,
    version: async () => ((await succeed('oras', ['version'])).split('\n')[0] ?? '').replace('Version:', '').trim(),
    pull: (from) => ({ ...pull(from), ...emptied }),
    push: (image, to) => ({
      ...copy('--from-oci-layout', `${image.layout}:v1`, '--to-plain-http', referenceOf(to)),
      prepare: async () => {},
    }),
    copy: (from, to) => ({
      ...copy('--from-plain-http', referenceOf(from), '--to-plain-http', referenceOf(to)),
      prepare: async () => {},
    }),
    import: (image) => ({
      ...copy('--from-oci-layout', `${image.archive}:v1`, '--to-oci-layout', `${layout}:v1`),
      ...emptied,
    }),
  };
}
