import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a run took. */
export interface Usage {
  /** Seconds on the wall clock, from the start of the process to its end. */
  readonly wall: number;
  /** Seconds of processor time, user and system, of all its processes; undefined where nothing measures it. */
  readonly cpu: number | undefined;
  /** Bytes of memory at the peak of its largest process, and of the daemon that worked for it. */
  readonly memory: number | undefined;
}

/** Something to run as a process of its own. */
export interface Command {
  readonly words: readonly string[];
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** The id of a process that does the work for the command, or a part of it. */
  readonly daemon?: number | undefined;
  /** Counts the daemon alone: the command only gives it something to do. */
  readonly daemonOnly?: boolean | undefined;
  /** The exit code of success; 0 if not said. */
  readonly code?: number | undefined;
}

const timer = '/usr/bin/time';

/**
 * Runs a command to its end, with an environment of its own, and tells what it took. Processor time and memory are what the
 * operating system accounted to it and its children, read with GNU time, and of its daemon, read from /proc.
 * @throws Error when it fails, with what it said.
 */
export async function measure(command: Command): Promise<Usage> {
  const file = join(tmpdir(), `dray-bench-${process.pid}.time`);
  const timed = existsSync(timer) && process.platform === 'linux';
  const words = timed ? [timer, '-o', file, '-f', '%U %S %M', ...command.words] : command.words;
  try {
    const before = await usageOfDaemon(command.daemon, 'reset');
    const wall = await seconds(words, command);
    const after = await usageOfDaemon(command.daemon);
    if (!timed) return { wall, cpu: undefined, memory: undefined };
    const own = command.daemonOnly === true ? { cpu: 0, memory: 0 } : await readTimes(file);
    return { wall, cpu: own.cpu + after.cpu - before.cpu, memory: own.memory + after.memory };
  } finally {
    await rm(file, { force: true });
  }
}

/** The environment of everything that is measured: nothing of the machine's own settings. */
export function environmentOf(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { PATH = '', HOME = '', SystemRoot = '', TEMP = '', TMPDIR = '' } = process.env;
  const temporary = TMPDIR === '' ? {} : { TMPDIR };
  return { PATH, HOME, SystemRoot, TEMP, ...temporary, DOCKER_CONFIG: '/nonexistent', ...extra };
}

async function seconds(words: readonly string[], { environment, code: expected = 0 }: Command): Promise<number> {
  const [program = '', ...args] = words;
  const env = environmentOf(environment);
  const start = performance.now();
  const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  const wall = (performance.now() - start) / 1000;
  if (code !== expected)
    throw new Error(`${words.join(' ')} ended with ${code ?? signal}\n${Buffer.concat(said).toString()}`);
  return wall;
}

async function readTimes(file: string): Promise<{ cpu: number; memory: number }> {
  // A line about the exit code comes first when that is not 0.
  const last = (await readFile(file, 'utf8')).trim().split('\n').at(-1) ?? '';
  const [user = Number.NaN, system = Number.NaN, kibibytes = Number.NaN] = last.split(' ').map(Number);
  return { cpu: user + system, memory: kibibytes * 1024 };
}

const ticksPerSecond = 100;

async function usageOfDaemon(pid: number | undefined, peak?: 'reset'): Promise<{ cpu: number; memory: number }> {
  if (pid === undefined || process.platform !== 'linux') return { cpu: 0, memory: 0 };
  // 5 sets the peak back to what it has now (proc_pid_clear_refs(5)).
  if (peak === 'reset') await writeFile(`/proc/${pid}/clear_refs`, '5');
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, kibibytes = '0'] = /^VmHWM:\s+(\d+)/m.exec(status) ?? [];
  return { cpu: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond, memory: Number(kibibytes) * 1024 };
}
