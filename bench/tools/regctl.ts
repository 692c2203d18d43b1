import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { succeed } from '../../test/support/processes.ts';
import { type Place, referenceOf, type Tool } from './tool.ts';

/** regctl of regclient. Its store is an image layout. */
export function regctlTool(directory: string): Tool {
  const layout = join(directory, 'layout');
  const archive = join(directory, 'out.tar');
  const environment = { HOME: directory, REGCTL_CONFIG: join(directory, 'config.json') };
  const command = (places: readonly Place[], ...args: readonly string[]) => ({
    words: ['regctl', ...places.flatMap(({ host }) => ['--host', `reg=${host},tls=disabled`]), ...args],
    environment,
  });
  const emptied = (output: string) => ({ output, prepare: () => rm(output, { recursive: true, force: true }) });
  const pull = (from: Place) => command([from], 'image', 'copy', referenceOf(from), `ocidir://${layout}:v1`);
  return {
    name: 'regctl',
    durable: false,
    ours: false,
    version: async () => (await succeed('regctl', ['version', '--format', '{{.VCSTag}}'])).trim(),
    pull: (from) => ({ ...pull(from), ...emptied(layout) }),
    push: (image, to) => ({
      ...command([to], 'image', 'copy', `ocidir://${image.layout}:v1`, referenceOf(to)),
      prepare: async () => {},
    }),
    copy: (from, to) => ({
      ...command([from, to], 'image', 'copy', referenceOf(from), referenceOf(to)),
      prepare: async () => {},
    }),
    export: (image) => ({
      ...command([], 'image', 'export', `ocidir://${image.layout}:v1`, archive),
      ...emptied(archive),
    }),
    import: (image) => ({
      ...command([], 'image', 'import', `ocidir://${layout}:v1`, image.archive),
      ...emptied(layout),
    }),
  };
}
