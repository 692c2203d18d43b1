import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { succeed } from '../../test/support/processes.ts';
import { type Place, referenceOf, type Tool } from './tool.ts';

/** skopeo. Its store is an image layout. */
export function skopeoTool(directory: string): Tool {
  const layout = join(directory, 'layout');
  const archive = join(directory, 'out.tar');
  const environment = { HOME: directory };
  const flags = ['--insecure-policy', 'copy', '--quiet', '--src-tls-verify=false', '--dest-tls-verify=false'];
  const copy = (from: string, to: string) => ({ words: ['skopeo', ...flags, from, to], environment });
  const registry = (place: Place): string => `docker://${referenceOf(place)}`;
  const emptied = (output: string) => ({ output, prepare: () => rm(output, { recursive: true, force: true }) });
  return {
    name: 'skopeo',
    durable: false,
    ours: false,
    version: async () => (await succeed('skopeo', ['--version'])).trim(),
    pull: (from) => ({ ...copy(registry(from), `oci:${layout}:v1`), ...emptied(layout) }),
    push: (image, to) => ({ ...copy(`oci:${image.layout}:v1`, registry(to)), prepare: async () => {} }),
    copy: (from, to) => ({ ...copy(registry(from), registry(to)), prepare: async () => {} }),
    export: (image) => ({ ...copy(`oci:${image.layout}:v1`, `oci-archive:${archive}:v1`), ...emptied(archive) }),
    import: (image) => ({ ...copy(`oci-archive:${image.archive}:v1`, `oci:${layout}:v1`), ...emptied(layout) }),
  };
}
