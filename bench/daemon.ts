/**
 * Times large blobs on their way into a containerd and out of it, by dray and by `ctr`, and through a store that dray serves:
 *
 *   node bench/daemon.ts [--mebibytes 1024] [--rounds 3]
 *
 * Each is a process of its own that a user would start; the daemons run before. The machine needs containerd, `ctr` and root.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { randomStream } from '../src/testing/random.ts';
import { drayStart, program } from '../test/support/command.ts';
import { startContainerd } from '../test/support/containerd.ts';
import { succeed } from '../test/support/processes.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import { spreadOf } from './statistics.ts';

/** What was timed, in seconds for one blob. */
export interface DaemonTimes {
  readonly title: string;
  readonly rounds: readonly number[];
}

/** How to time. */
export interface DaemonBenchOptions {
  readonly mebibytes: number;
  readonly rounds: number;
}

interface Case {
  readonly title: string;
  readonly command: string;
  /** Undoes what it did. */
  readonly after?: string;
}

/** Times every case in turn, so that what disturbs the machine disturbs all of them; a round before the first is not counted. */
export async function timeDaemons({ mebibytes, rounds }: DaemonBenchOptions): Promise<DaemonTimes[]> {
  await using directory = await temporaryDirectory();
  const file = directory.join('blob');
  await writeFile(file, randomStream(mebibytes * 1024 * 1024, 'daemon'));
  const digest = await digestOfFile(file);
  const socket = directory.join('dray.sock');
  const served = ['serve', '--root', directory.join('store'), '--containerd-socket', socket];
  await using serving = drayStart(served);
  await serving.printed(/serving .* to clients/);
  await using containerd = await startContainerd({ quiet: true });
  const cases = casesOf({ file, digest, daemon: containerd.address, served: socket });
  const times = new Map<string, number[]>(cases.map(({ title }) => [title, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const { title, command, after } of cases) {
      await succeed('sync', []);
      const begun = performance.now();
      await succeed('sh', ['-c', command]);
      if (round > 0) times.get(title)?.push((performance.now() - begun) / 1000);
      if (after !== undefined) await succeed('sh', ['-c', after]);
    }
  }
  await serving.kill('SIGTERM');
  return [...times].map(([title, all]) => ({ title, rounds: all }));
}

interface Places {
  readonly file: string;
  readonly digest: string;
  /** Sockets of a containerd and of a dray. */
  readonly daemon: string;
  readonly served: string;
}

// What is written first is read then, and removed at the end.
function casesOf({ file, digest, daemon, served }: Places): Case[] {
  const dray = (...words: readonly string[]): string => `${process.execPath} ${program} content ${words.join(' ')}`;
  const ctr = (socket: string, words: string): string => `ctr -a ${socket} content ${words}`;
  const remove = (socket: string): string => `${ctr(socket, `rm ${digest}`)} && ${settle(socket)}`;
  const settle = (socket: string): string =>
    `id=$(ctr -a ${socket} leases create) && ctr -a ${socket} leases rm --sync $id`;
  const ingest = `--expected-digest ${digest} bench < ${file}`;
  const get = `get ${digest} > /dev/null`;
  return [
    { title: 'write to containerd: ctr', command: ctr(daemon, `ingest ${ingest}`), after: remove(daemon) },
    { title: 'write to containerd: dray', command: dray('ingest', ingest, '--containerd', daemon) },
    { title: 'read from containerd: ctr', command: ctr(daemon, get) },
    {
      title: 'read from containerd: dray',
      command: dray('get', digest, '--containerd', daemon, '> /dev/null'),
      after: remove(daemon),
    },
    { title: 'write to dray: ctr', command: ctr(served, `ingest ${ingest}`) },
    { title: 'read from dray: ctr', command: ctr(served, get), after: remove(served) },
  ];
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { mebibytes: { type: 'string', default: '1024' }, rounds: { type: 'string', default: '3' } },
  });
  const times = await timeDaemons({ mebibytes: Number(values.mebibytes), rounds: Number(values.rounds) });
  for (const { title, rounds } of times) {
    const spread = spreadOf(rounds);
    if (spread === undefined) continue;
    const { median, minimum, maximum } = spread;
    const speed = `${(Number(values.mebibytes) / median).toFixed(0)} MiB/s`;
    console.log(
      `${title.padEnd(28)} ${median.toFixed(2)} s   ${minimum.toFixed(2)} to ${maximum.toFixed(2)}   ${speed}`,
    );
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
