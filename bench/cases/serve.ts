import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { start } from '../../test/support/processes.ts';
import type { Image } from '../image.ts';
import type { Case, Contestant } from '../rounds.ts';
import type { CountingRegistry } from '../servers/docker-registry.ts';
import type { Tool } from '../tools/tool.ts';
import { environmentOf, measure } from '../usage.ts';
import { placeAt } from './transfers.ts';

const client = join(import.meta.dirname, '..', 'programs', 'download.ts');
const clients = 8;

/** What serving takes. */
export interface ServeOptions {
  readonly program: string;
  /** What sends the image to our server. */
  readonly pusher: Tool;
  readonly image: Image;
  /** Has the image. */
  readonly registry: CountingRegistry;
  readonly directory: string;
  readonly resources: AsyncDisposableStack;
}

/** How long eight clients wait for the largest layer, and what that costs the server; what it costs the clients is not counted. */
export async function serveCase({
  program,
  pusher,
  image,
  registry,
  directory,
  resources,
}: ServeOptions): Promise<Case> {
  const digest = await largestLayer(image);
  const serve = [program, 'serve', '--addr', '127.0.0.1:0', '--print-url', '--root', join(directory, 'served')];
  const ours = resources.use(start(process.execPath, serve, { env: environmentOf() }));
  const [, host = ''] = await ours.printed(/http:\/\/([^/\s]+)/);
  const fill = pusher.push?.(image, placeAt({ host }, image));
  await fill?.prepare();
  if (fill !== undefined) await measure(fill);
  const served = `http://${host}/v2/${image.repository}/blobs/${digest}`;
  const neutral = `http://${registry.host}/v2/${image.repository}/blobs/${digest}`;
  return {
    name: 'serve',
    subject: `the largest layer of ${image.shape.title}, to ${clients} clients`,
    contestants: [
      contestant('dray', true, served, ours.child.pid ?? 0),
      contestant('docker-registry', false, neutral, registry.pid),
    ],
  };
}

function contestant(tool: string, ours: boolean, url: string, daemon: number): Contestant {
  const words = [process.execPath, client, String(clients), url];
  const command = { words, daemon, daemonOnly: true };
  return { tool, ours, durable: undefined, command, prepare: async () => {} };
}

async function largestLayer({ layout }: Image): Promise<string> {
  const read = async (path: string) => JSON.parse(await readFile(join(layout, path), 'utf8'));
  const index = (await read('index.json')) as { manifests: { digest: string }[] };
  const [, hex = ''] = (index.manifests[0]?.digest ?? '').split(':');
  const { layers } = (await read(join('blobs', 'sha256', hex))) as { layers: { digest: string; size: number }[] };
  const [largest] = layers.toSorted((a, b) => b.size - a.size);
  return largest?.digest ?? '';
}
