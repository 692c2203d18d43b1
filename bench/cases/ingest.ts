import { rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Containerd } from '../../test/support/containerd.ts';
import type { Case, Contestant } from '../rounds.ts';

/** What taking blobs in needs. */
export interface IngestOptions {
  /** The built command; the library is beside it. */
  readonly program: string;
  readonly count: number;
  readonly directory: string;
  readonly containerd: Containerd | undefined;
}

const programs = join(import.meta.dirname, '..', 'programs');

/** Many small durable blobs: ours; the same as files by the least that does it; and by `ctr`, of which a sample is timed. */
export function ingestCase({ program, count, directory, containerd }: IngestOptions): Case {
  const root = join(directory, 'ingest');
  const prepare = () => rm(root, { recursive: true, force: true });
  const durable = true;
  const node = (file: string, ...args: string[]): string[] => [process.execPath, join(programs, file), ...args];
  // The command is one file of CommonJS where it is built, the library is not.
  const library = join(program, '..', '..', 'metadata', `index${extname(program).replace('.cjs', '.js')}`);
  const contestants: Contestant[] = [
    {
      tool: 'dray',
      ours: true,
      durable,
      prepare,
      command: { words: node('ingest.ts', library, root, String(count)) },
    },
    {
      tool: 'files, fsync each',
      ours: false,
      durable,
      prepare,
      command: { words: node('files.ts', root, String(count)) },
    },
  ];
  if (containerd !== undefined) contestants.push(ctrContestant(count, containerd));
  return { name: 'ingest', subject: `${count} blobs of 4 KiB`, bytes: count * 4096, contestants };
}

const sample = 100;

function ctrContestant(count: number, { address, pid }: Containerd): Contestant {
  const wanted = Math.min(sample, count);
  let round = 0;
  // Blobs that no image names are gone with the next collection; those of another round have other content all the same.
  const script = `for n in $(seq ${wanted}); do printf '%s %04080d' $0 $n | ctr --address ${address} content ingest "$0-$n"; done`;
  return {
    tool: 'ctr, one by one',
    ours: false,
    durable: true,
    scale: count / wanted,
    prepare: async () => {
      round += 1;
    },
    get command() {
      return { words: ['sh', '-c', script, `round-${round}`], daemon: pid };
    },
  };
}
