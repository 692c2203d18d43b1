/**
 * Times the way of images into archives and out of them beside other tools, each in a process of its own:
 *
 *   node bench/archives.ts [--mebibytes 1024] [--layers 8] [--rounds 3]
 *
 * Tools that are not installed are left out. `skopeo` does not flush what it writes, so it stands beside dray without
 * flushes; `ctr` works on a containerd that does, so it stands beside dray with them. Everything is in a temporary directory.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ingest } from '../src/content/copy.ts';
import type { DurabilityLevel } from '../src/content/local/durable.ts';
import { LocalStore } from '../src/content/local/local-store.ts';
import { openStore } from '../src/metadata/open-store.ts';
import { saveArchive } from '../src/oci/archive-file.ts';
import { exportArchive } from '../src/oci/export.ts';
import { exportLayout } from '../src/oci/export-layout.ts';
import { importArchive } from '../src/oci/import.ts';
import type { Descriptor } from '../src/spec/descriptor.ts';
import { mediaTypes } from '../src/spec/media-types.ts';
import { document, randomStream } from '../src/testing/random.ts';
import { type Containerd, startContainerd, unlessContainerd } from '../test/support/containerd.ts';
import { succeed } from '../test/support/processes.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../test/support/temporary.ts';
import { unlessInstalled } from '../test/support/tools.ts';

const name = 'docker.io/bench/image:v1';

/** One thing to time. `before` is not counted. */
interface Case {
  readonly title: string;
  before(): Promise<void>;
  run(): Promise<unknown>;
}

async function makeImage(store: LocalStore, mebibytes: number, count: number): Promise<Descriptor> {
  const layers: Descriptor[] = [];
  const size = Math.floor(mebibytes / count) * 1024 * 1024;
  for (let n = 0; n < count; n += 1) {
    const { digest } = await ingest(store, { ref: `layer ${n}` }, randomStream(size, `layer ${n}`));
    layers.push({ mediaType: mediaTypes.ociLayer, digest, size });
  }
  const diff_ids = layers.map(({ digest }) => digest);
  const rootfs = { type: 'layers', diff_ids };
  const config = document(mediaTypes.ociConfig, { architecture: 'amd64', os: 'linux', config: {}, rootfs });
  const root = document(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers,
  });
  for (const { descriptor, bytes } of [config, root]) {
    await ingest(
      store,
      { ref: descriptor.digest },
      (async function* () {
        yield bytes;
      })(),
    );
  }
  return root.descriptor;
}

/** What a process of dray's does; started by this same file. */
async function work(task: string, directory: string, durability: DurabilityLevel): Promise<void> {
  if (task === 'import') {
    await using store = await openStore({ root: `${directory}/dray`, durability });
    await importArchive(store.services('default'), `${directory}/in.tar`);
    return;
  }
  await using store = new LocalStore(`${directory}/source`);
  const target: Descriptor = JSON.parse(await readFile(`${directory}/root.json`, 'utf8'));
  const archive = exportArchive(store, [{ target, names: [name] }], { transient: true });
  await saveArchive(`${directory}/out.tar`, archive, { durability });
}

function drayCase(task: 'import' | 'export', directory: TemporaryDirectory, durability: DurabilityLevel): Case {
  return {
    title: `${task}: dray${durability === 'full' ? ', flushed' : ''}`,
    before: () => clear(directory, 'dray', 'out.tar'),
    run: () => succeed(process.execPath, [import.meta.filename, 'work', task, directory.path, durability]),
  };
}

function skopeoCase(task: 'import' | 'export', directory: TemporaryDirectory): Case {
  const copy = (from: string, to: string) => succeed('skopeo', ['--insecure-policy', 'copy', '-q', from, to]);
  const [archive, layout] = [directory.join('in.tar'), directory.join('layout')];
  return {
    title: `${task}: skopeo`,
    before: () => clear(directory, 'skopeo', 'skopeo.tar'),
    run: () =>
      task === 'import'
        ? copy(`oci-archive:${archive}:v1`, `oci:${directory.join('skopeo')}:v1`)
        : copy(`oci:${layout}:v1`, `oci-archive:${directory.join('skopeo.tar')}:v1`),
  };
}

function ctrCase(task: 'import' | 'export', directory: TemporaryDirectory, { ctr }: Containerd): Case {
  const bringIn = () => ctr('images', 'import', '--no-unpack', directory.join('in.tar'));
  return {
    title: `${task}: ctr`,
    before: async () => {
      await clear(directory, 'ctr.tar');
      if (task === 'export') await bringIn();
      else await ctr('images', 'rm', '--sync', name).catch(() => undefined);
    },
    run: () => (task === 'import' ? bringIn() : ctr('images', 'export', directory.join('ctr.tar'), name)),
  };
}

async function clear(directory: TemporaryDirectory, ...names: readonly string[]): Promise<void> {
  for (const one of names) await rm(directory.join(one), { recursive: true, force: true });
}

async function seconds(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mebibytes: { type: 'string', default: '1024' },
      layers: { type: 'string', default: '8' },
      rounds: { type: 'string', default: '3' },
    },
  });
  await using directory = await temporaryDirectory();
  await mkdir(directory.join('source'));
  {
    await using store = new LocalStore(directory.join('source'), { durability: 'none' });
    const target = await makeImage(store, Number(values.mebibytes), Number(values.layers));
    await writeFile(directory.join('root.json'), JSON.stringify(target));
    const images = [{ target, names: [name] }];
    await saveArchive(directory.join('in.tar'), exportArchive(store, images), { durability: 'none' });
    await exportLayout(store, images, directory.join('layout'), { sharing: 'hard', durability: 'none' });
  }
  await using resources = new AsyncDisposableStack();
  const containerd = unlessContainerd() === false ? resources.use(await startContainerd()) : undefined;
  const cases: Case[] = [];
  for (const task of ['export', 'import'] as const) {
    cases.push(drayCase(task, directory, 'none'), drayCase(task, directory, 'full'));
    if (unlessInstalled('skopeo') === false) cases.push(skopeoCase(task, directory));
    if (containerd !== undefined) cases.push(ctrCase(task, directory, containerd));
  }
  const times = new Map<string, number[]>(cases.map(({ title }) => [title, []]));
  // In turn, so that what disturbs the machine disturbs all of them.
  for (let round = 0; round <= Number(values.rounds); round += 1) {
    for (const { title, before, run } of cases) {
      await before();
      // What an earlier case left to be written is not this one's.
      if (process.platform !== 'win32') await succeed('sync', []);
      const time = await seconds(run);
      if (round > 0) times.get(title)?.push(time);
    }
  }
  for (const [title, all] of times) {
    const [low, high] = [Math.min(...all), Math.max(...all)];
    console.log(`${title.padEnd(24)} ${median(all).toFixed(2)} s   ${low.toFixed(2)} to ${high.toFixed(2)}`);
  }
}

const [first = '', task = '', directory = '', durability = 'none'] = process.argv.slice(2);
if (first === 'work') await work(task, directory, durability as DurabilityLevel);
else await main();
