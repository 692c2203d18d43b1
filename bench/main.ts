/** Ours beside other tools: `npm run bench -- --help`. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { startContainerd, unlessContainerd } from '../test/support/containerd.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import { ingestCase } from './cases/ingest.ts';
import { serveCase } from './cases/serve.ts';
import { slowPullCase } from './cases/slow.ts';
import { startCase } from './cases/start.ts';
import { placeAt, transfers } from './cases/transfers.ts';
import { formatBytes, makeImage, type Shape, shapes } from './image.ts';
import { type BenchOptions, parseOptions, UsageError } from './options.ts';
import { publish } from './publish.ts';
import { type Results, type Row, rowsOf, withRun } from './results.ts';
import { type Case, compete, type Rounds } from './rounds.ts';
import { countingRegistry } from './servers/docker-registry.ts';
import { tableOf } from './table.ts';
import { installedTools, wanted } from './tools/installed.ts';
import type { Tool } from './tools/tool.ts';
import { measure } from './usage.ts';

type Report = (rows: readonly Row[]) => void;

/** Every job there is. */
export const jobs: readonly string[] = [...Object.keys(transfers), 'slow-pull', 'serve', 'ingest', 'start'];

/** Runs the jobs that were asked for; `report` gets the figures of each as they come. */
export async function bench(options: BenchOptions, report: Report): Promise<Results> {
  if (!existsSync(options.program)) throw new Error('there is no built command: npm run build');
  const { peers, program, baseline, count } = options;
  await using resources = new AsyncDisposableStack();
  const directory = resources.use(await temporaryDirectory());
  const hasContainerd = wanted('ctr', peers) && unlessContainerd() === false;
  const containerd = hasContainerd ? resources.use(await startContainerd()) : undefined;
  const tools = (name: string) =>
    installedTools({ program, baseline, peers, containerd, directory: directory.join(name) });
  const rows: Row[] = [];
  const run = async (one: Case, rounds: Rounds = options): Promise<void> => {
    const found = rowsOf(one, await compete(one, { ...rounds, scratch: directory.path }));
    rows.push(...found);
    report(found);
  };
  if (options.jobs.includes('ingest')) await run(ingestCase({ program, count, directory: directory.path, containerd }));
  const isOfImages = options.jobs.some((job) => job !== 'start' && job !== 'ingest');
  for (const shape of shapes(options)) {
    if (!isOfImages || !options.images.includes(shape.name)) continue;
    const work = directory.join(shape.name);
    await ofImage({ options, shape, work, tools: await tools(shape.name), run });
    await rm(work, { recursive: true });
  }
  // At the end, when what was compiled for the other jobs is kept, as it is for who uses the command.
  if (options.jobs.includes('start')) {
    const rounds = Math.max(options.rounds, fewestStarts);
    await run(startCase(program, directory.join('start')), { ...options, rounds });
  }
  const versions = Object.fromEntries(
    await Promise.all((await tools('versions')).map(async (tool) => [tool.name, await tool.version()])),
  );
  return { date: new Date().toISOString(), machine: machineOf(), versions, arguments: process.argv.slice(2), rows };
}

// They are short, and differ by less than what disturbs one of them.
const fewestStarts = 20;

interface ImageRun {
  readonly options: BenchOptions;
  readonly shape: Shape;
  readonly work: string;
  readonly tools: readonly Tool[];
  run(one: Case, rounds?: Rounds): Promise<void>;
}

async function ofImage({ options, shape, work, tools, run }: ImageRun): Promise<void> {
  const image = await makeImage(shape, work);
  await using resources = new AsyncDisposableStack();
  const data = resources.use(await temporaryDirectory(options.registryDirectory));
  const source = resources.use(await countingRegistry(data.join('source')));
  const target = resources.use(await countingRegistry(data.join('target')));
  const field = { image, source, target, tools };
  const [pusher] = tools;
  const seed = pusher?.push?.(image, placeAt(source, image));
  if (pusher === undefined || seed === undefined) return;
  await seed.prepare();
  await measure(seed);
  for (const job of options.jobs) {
    const make = transfers[job];
    if (make !== undefined) await run(make(field));
  }
  const { program } = options;
  const wantsSlow = options.jobs.includes('slow-pull') && shape.name === 'large';
  // Its time is that of the link, which nothing disturbs; a round of it takes minutes.
  if (wantsSlow) await run(await slowPullCase(field, resources), { warmup: 0, rounds: 1 });
  if (options.jobs.includes('serve') && shape.name === 'layers')
    await run(await serveCase({ program, pusher, image, registry: source, directory: work, resources }));
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
  const options = parseOptions(process.argv.slice(2), jobs);
  const results = await bench(options, (rows) => console.log(tableOf(rows)));
  const directory = join(import.meta.dirname, 'results');
  await mkdir(directory, { recursive: true });
  const file = join(directory, `${results.date.replaceAll(':', '-')}.json`);
  await writeFile(file, jsonOf(results));
  console.log(file);
  if (!options.publish) return;
  const published = join(directory, 'published.json');
  const runs = withRun(JSON.parse(await readFile(published, 'utf8')) as readonly Results[], results);
  await writeFile(published, jsonOf(runs));
  await publish(runs, join(import.meta.dirname, '..', 'docs'));
}

function jsonOf(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  });
}
