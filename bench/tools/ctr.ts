import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Containerd } from '../../test/support/containerd.ts';
import { succeed } from '../../test/support/processes.ts';
import type { Image } from '../image.ts';
import { referenceOf, type Tool } from './tool.ts';

/** `ctr` on a containerd of its own, whose work is counted with its own. */
export function ctrTool(directory: string, containerd: Containerd): Tool {
  const archive = join(directory, 'out.tar');
  const command = (...args: readonly string[]) => ({
    words: ['ctr', '--address', containerd.address, '--namespace', 'default', ...args],
    daemon: containerd.pid,
  });
  const listed = async (): Promise<string[]> =>
    (await containerd.ctr('images', 'ls', '-q')).split('\n').filter(Boolean);
  const empty = async (): Promise<void> => {
    const names = await listed();
    if (names.length > 0) await containerd.ctr('images', 'rm', '--sync', ...names);
  };
  const fill = async ({ name, archive: file }: Image): Promise<void> => {
    if ((await listed()).includes(name)) return;
    await empty();
    await containerd.ctr('images', 'import', '--no-unpack', file);
  };
  const fetch = (reference: string) => command('content', 'fetch', '--plain-http', reference);
  return {
    name: 'ctr',
    durable: true,
    ours: false,
    version: async () => (await succeed('ctr', ['--version'])).trim(),
    pull: (from) => ({ ...fetch(referenceOf(from)), prepare: empty, output: directory }),
    push: (image, to) => ({
      ...command('images', 'push', '--plain-http', referenceOf(to), image.name),
      prepare: () => fill(image),
    }),
    export: (image) => ({
      ...command('images', 'export', archive, image.name),
      prepare: async () => {
        await rm(archive, { force: true });
        await fill(image);
      },
      output: archive,
    }),
    import: (image) => ({
      ...command('images', 'import', '--no-unpack', image.archive),
      prepare: empty,
      output: directory,
    }),
  };
}
