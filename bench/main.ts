/** Ours beside other tools: `npm run bench -- --help`. */
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { startContainerd, unlessContainerd } from '../test/support/containerd.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import { placeAt, transfers } from './cases/transfers.ts';
import { formatBytes, makeImage, shapes } from './image.ts';
import { type BenchOptions, parseOptions } from './options.ts';
import { type Results, type Row, rowsOf } from './results.ts';
import { type Case, compete } from './rounds.ts';
import { countingRegistry } from './servers/docker-registry.ts';
import { tableOf } from './table.ts';
import { installedTools, wanted } from './tools/installed.ts';
import { measure } from './usage.ts';

type Report = (row: readonly Row[]) => void;

/** Runs the jobs that were asked for; `report` gets the figures of each as they come. */
export async function bench(options: BenchOptions, report: Report): Promise<Results> {
  if (!existsSync(options.program)) throw new Error('there is no built command: npm run build');
  const { peers, program, baseline } = options;
  await using resources = new AsyncDisposableStack();
  const directory = resources.use(await temporaryDirectory());
  const hasContainerd = wanted('ctr', peers) && unlessContainerd() === false;
  const containerd = hasContainerd ? resources.use(await startContainerd()) : undefined;
  const tools = (name: string) =>
    installedTools({ program, baseline, peers, containerd, directory: directory.join(name) });
  const rows: Row[] = [];
  const run = async (one: Case): Promise<void> => {
    const found = rowsOf(one, await compete(one, options));
    rows.push(...found);
    report(found);
  };
  for (const shape of shapes(options).filter(({ name }) => options.images.includes(name))) {
    const work = directory.join(shape.name);
    const image = await makeImage(shape, work);
    await using servers = new AsyncDisposableStack();
    const data = servers.use(await temporaryDirectory(options.registryDirectory));
    const source = servers.use(await countingRegistry(data.join('source')));
    const target = servers.use(await countingRegistry(data.join('target')));
    const field = { image, source, target, tools: await tools(shape.name) };
    const seed = field.tools[0]?.push?.(image, placeAt(source, image));
    await seed?.prepare();
    if (seed !== undefined) await measure(seed);
    for (const job of options.jobs) {
      const make = transfers[job];
      if (make !== undefined) await run(make(field));
    }
    await servers.disposeAsync();
    await rm(work, { recursive: true });
  }
  const versions = Object.fromEntries(
    await Promise.all((await tools('versions')).map(async (tool) => [tool.name, await tool.version()])),
  );
  return { date: new Date().toISOString(), machine: machineOf(), versions, arguments: process.argv.slice(2), rows };
}

function machineOf(): Record<string, string> {
  const [first] = cpus();
  return {
    processors: `${cpus().length} × ${first?.model.trim() ?? 'unknown'}`,
    memory: formatBytes(totalmem()),
    system: `${process.platform} ${release()}`,
  };
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), Object.keys(transfers));
  const results = await bench(options, (rows) => console.log(tableOf(rows)));
  const directory = join(import.meta.dirname, 'results');
  await mkdir(directory, { recursive: true });
  const file = join(directory, `${results.date.replaceAll(':', '-')}.json`);
  await writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`);
  console.log(file);
}

if (import.meta.main) await main();
