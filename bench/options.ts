import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface BenchOptions {
  readonly jobs: readonly string[];
  readonly images: readonly string[];
  /** The other tools; all that are on the PATH if not said. */
  readonly peers: readonly string[] | undefined;
  readonly size: number;
  readonly layers: number;
  /** Of small blobs. */
  readonly count: number;
  readonly rounds: number;
  readonly warmup: number;
  readonly rootfs: string;
  /** Where the registries keep their data; in memory where that can be, since their disk is not what is measured. */
  readonly registryDirectory: string;
  /** The built command. */
  readonly program: string;
  /** Another build of it, to stand beside. */
  readonly baseline: string | undefined;
  readonly publish: boolean;
}

const sharedMemory = '/dev/shm';

const usage = `usage: npm run bench -- [JOB...] [flags]

  JOB             which jobs, all if none is named
  --images LIST   with which images: layers, small, gzip, zstd, large (default: all)
  --peers LIST    beside which tools: crane, skopeo, ctr, regctl, oras (default: all that are installed)
  --size SIZE     of the image of a few layers, 1GiB if not said; that of a single layer is four times as large
  --layers N      how many layers that is in (default: 8)
  --count N       of small blobs to take in (default: 10000)
  --rounds N      how often each is measured (default: 3)
  --warmup N      how often each runs before that (default: 1)
  --rootfs DIR    the files of a system, made by debootstrap or the like (default: this machine's /usr/share)
  --registry DIR  where the registries keep their data (default: /dev/shm where there is one)
  --baseline FILE another build of the command, cli/dray.cjs, to stand beside
  --publish       puts the figures into docs/performance.md and its plot, in place of older ones of the same cases
`;

/** Says how the benchmark is called, to whom asks and whoever did it otherwise. */
export class UsageError extends Error {}

/** @throws UsageError for what is not understood, and for `--help`. */
export function parseOptions(argv: readonly string[], known: readonly string[]): BenchOptions {
  const { values, positionals } = parse(argv, known);
  const list = (text: string | undefined) => text?.split(',').filter((word) => word !== '');
  const unknown = positionals.find((job) => !known.includes(job));
  if (unknown !== undefined || values.help === true) throw new UsageError(`${usage}\nJOB: ${known.join(' ')}`);
  return {
    jobs: positionals.length === 0 ? known : positionals,
    images: list(values.images) ?? [],
    peers: list(values.peers),
    size: parseSize(values.size),
    layers: Number(values.layers),
    count: Number(values.count),
    rounds: Number(values.rounds),
    warmup: Number(values.warmup),
    rootfs: values.rootfs,
    registryDirectory: values.registry ?? (existsSync(sharedMemory) ? sharedMemory : tmpdir()),
    program: join(import.meta.dirname, '..', 'dist', 'cli', 'dray.cjs'),
    baseline: values.baseline,
    publish: values.publish,
  };
}

function parse(argv: readonly string[], known: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        images: { type: 'string', default: 'layers,small,gzip,zstd,large' },
        peers: { type: 'string' },
        size: { type: 'string', default: '1GiB' },
        layers: { type: 'string', default: '8' },
        count: { type: 'string', default: '10000' },
        rounds: { type: 'string', default: '3' },
        warmup: { type: 'string', default: '1' },
        rootfs: { type: 'string', default: '/usr/share' },
        registry: { type: 'string' },
        baseline: { type: 'string' },
        publish: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}\nJOB: ${known.join(' ')}`, { cause: error });
  }
}

/** Bytes of `256MiB`. */
export function parseSize(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)?$/.exec(text) ?? [];
  if (number === '') throw new Error(`${JSON.stringify(text)} is no size: write 256MiB`);
  return Math.round(Number(number) * 1024 ** Math.max(0, ['B', 'KiB', 'MiB', 'GiB'].indexOf(unit)));
}
