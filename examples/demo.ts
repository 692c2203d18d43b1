// The main job, end to end, as a person would do it: `npm run demo`. Every command is shown before it runs. Nothing outside
// a temporary directory is touched, and no network is needed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from '../src/client/client.ts';
import { ingest } from '../src/content/copy.ts';
import { type Descriptor, describe } from '../src/spec/descriptor.ts';
import { mediaTypes } from '../src/spec/media-types.ts';
import { randomStream } from '../src/testing/random.ts';

const project = join(import.meta.dirname, '..');
const program = join(project, 'src', 'cli', 'dray.ts');
const folder = await mkdtemp(join(tmpdir(), 'dray-demo-'));
const store = join(folder, 'store');
const largeLayer = 256 * 1024 * 1024;

const say = (text: string): void => console.log(`\n# ${text}`);

function start(args: readonly string[], root: string, stderr: 'inherit' | 'pipe' = 'inherit'): ChildProcess {
  return spawn(process.execPath, [program, ...args], {
    env: { ...process.env, DRAY_ROOT: root },
    stdio: ['ignore', 'pipe', stderr],
  });
}

/** Shows and runs a command, shows what it says, and returns its result. */
async function dray(args: readonly string[], root: string = store): Promise<string> {
  console.log(`$ dray ${args.join(' ')}`);
  const child = start(args, root);
  let result = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    result += chunk.toString();
    process.stdout.write(chunk);
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`dray ${args[0]} ended with ${code}`);
  return result.trim();
}

/** An image with one large layer, made with the library, in a store of its own. */
async function makeLargeImage(root: string, name: string): Promise<void> {
  await using client = await Client.open({ root });
  const { content, images } = client.services;
  const layer = await ingest(content, { ref: 'layer' }, randomStream(largeLayer, 'demo'));
  const put = async (mediaType: string, value: unknown): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify(value));
    await ingest(
      content,
      { ref: mediaType },
      (async function* () {
        yield bytes;
      })(),
    );
    return describe(mediaType, bytes);
  };
  const rootfs = { type: 'layers', diff_ids: [layer.digest] };
  const config = await put(mediaTypes.ociConfig, { os: 'linux', architecture: 'amd64', rootfs });
  const layers = [{ mediaType: mediaTypes.ociLayer, digest: layer.digest, size: layer.size }];
  const target = await put(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config,
    layers,
  });
  await images.create({ name, target });
}

/** Pulls, and kills the process when the first bytes of the large layer have arrived. */
async function pullAndKill(reference: string): Promise<void> {
  console.log(`$ dray pull ${reference}      # and kill -9 in the middle of it`);
  const child = start(['pull', reference, '--all-platforms', '--progress', 'json'], store, 'pipe');
  if (child.stderr === null) throw new Error('no progress to read');
  for await (const line of createInterface({ input: child.stderr })) {
    const event = JSON.parse(line) as { t: string; state?: string; offset?: number; total?: number };
    if (event.t !== 'blob' || event.state !== 'active' || event.total !== largeLayer || !event.offset) continue;
    child.kill('SIGKILL');
    break;
  }
  await once(child, 'close');
  console.log('killed');
}

async function main(): Promise<void> {
  say('A registry: any dray store can be served as one. This one is on a free port.');
  console.log('$ dray serve --addr 127.0.0.1:0 --print-url &');
  const server = start(['serve', '--addr', '127.0.0.1:0', '--print-url', '--quiet'], join(folder, 'registry'));
  try {
    const [url] = (await once(createInterface({ input: server.stdout ?? process.stdin }), 'line')) as [string];
    console.log(url);
    await tour(new URL(url).host);
  } finally {
    if (server.exitCode === null) server.kill('SIGTERM');
    await once(server, 'close');
  }
}

async function tour(registry: string): Promise<void> {
  const hello = `${registry}/demo/hello:1.0`;
  const large = `${registry}/demo/large:1`;

  say('An image of two platforms goes from a layout directory to the registry.');
  await dray(['copy', `oci:${join(project, 'test', 'fixtures', 'hello')}:1.0`, hello]);

  say('Pull it into a store. The result on stdout is the reference with the digest, and nothing else.');
  await dray(['pull', hello, '--platform', 'linux/arm64']);

  say('What the store holds now: names, and the blobs they stand for.');
  await dray(['images', 'ls']);
  await dray(['content', 'ls', '-q']);
  await dray(['images', 'check', '--platform', 'linux/arm64']);

  say(`An image with a layer of ${largeLayer / 1024 / 1024} MiB, made with the library, is pushed to the registry.`);
  const workshop = join(folder, 'workshop');
  await makeLargeImage(workshop, large);
  await dray(['push', large], workshop);

  say('A pull that is killed leaves what it has. The next one goes on from there.');
  await pullAndKill(large);
  await dray(['content', 'status']);
  await dray(['pull', large, '--all-platforms']);

  say('Push an image under a new name. What the registry has already is not sent again.');
  await dray(['images', 'tag', large, `${registry}/demo/renamed:2`]);
  const pushed = await dray(['push', `${registry}/demo/renamed:2`]);

  say('The same digest everywhere, and every byte of the store read and compared with its own.');
  const digest = await dray(['digest', `${registry}/demo/renamed:2`]);
  if (!pushed.endsWith(digest)) throw new Error(`pushed ${pushed}, found ${digest}`);
  await dray(['content', 'verify']);

  say('Remove a name, and what nothing else needs.');
  await dray(['images', 'rm', large, `${registry}/demo/renamed:2`]);
  await dray(['gc', '--quiet']);
}

try {
  await main();
  say('Done. `npx dray --help` lists the commands.');
} finally {
  await rm(folder, { recursive: true, force: true });
}
