import { succeed } from '../test/support/processes.ts';
import { fetchMemory } from './memory.ts';
import type { Traffic } from './servers/docker-registry.ts';
import { type Command, measure, type Usage } from './usage.ts';

/** One way to do a job, as one tool does it. */
export interface Contestant {
  /** The tool, and what is said about how it does it: `crane`, `dray`. */
  readonly tool: string;
  /** Ours, which is held against the others. */
  readonly ours: boolean;
  /** Whether what it wrote is on the disk when it ends; undefined when it writes no files. */
  readonly durable: boolean | undefined;
  readonly command: Command;
  /** Makes everything as it has to be before a run; not counted. */
  prepare(): Promise<void>;
  /** By how much the job was made smaller than the others'; 1 if not said. */
  readonly scale?: number | undefined;
}

/** Something that several tools do. */
export interface Case {
  /** The job: `pull`. */
  readonly name: string;
  /** What it is done with: `1 GiB in 8 layers`. */
  readonly subject: string;
  /** How much is moved, in bytes, where speed means something. */
  readonly bytes?: number | undefined;
  readonly contestants: readonly Contestant[];
  /** What has gone through the servers so far. */
  traffic?(): Promise<Traffic>;
}

/** What the runs of one contestant took. */
export interface Outcome {
  readonly contestant: Contestant;
  readonly runs: readonly Usage[];
  /** Of the last run. */
  readonly traffic: Traffic | undefined;
}

/** How often. */
export interface Rounds {
  readonly warmup: number;
  readonly rounds: number;
  /** A directory on the disk that the tools write to. */
  readonly scratch?: string | undefined;
  /** Called before each run. */
  onRun?(contestant: Contestant, round: number): void;
}

/** Less than this is not noticed, in bytes. */
const noticeable = 16 * 1024 * 1024;

/** Runs all contestants in turn, so that what disturbs the machine disturbs all of them. */
export async function compete({ contestants, bytes = 0, traffic }: Case, options: Rounds): Promise<Outcome[]> {
  const { warmup, rounds, scratch, onRun } = options;
  const runs = new Map<Contestant, Usage[]>(contestants.map((contestant) => [contestant, []]));
  const moved = new Map<Contestant, Traffic>();
  for (let round = -warmup; round < rounds; round += 1) {
    for (const contestant of contestants) {
      onRun?.(contestant, round);
      await contestant.prepare();
      // What an earlier run left to be written is not this one's.
      if (process.platform !== 'win32') await succeed('sync', []);
      if (scratch !== undefined && bytes > noticeable) await fetchMemory(scratch, bytes * 1.1);
      const before = await traffic?.();
      const usage = scaled(await measure(contestant.command), contestant.scale ?? 1);
      const after = await traffic?.();
      if (before !== undefined && after !== undefined) moved.set(contestant, difference(after, before));
      if (round >= 0) runs.get(contestant)?.push(usage);
    }
  }
  return contestants.map((contestant) => ({
    contestant,
    runs: runs.get(contestant) ?? [],
    traffic: moved.get(contestant),
  }));
}

function scaled(usage: Usage, scale: number): Usage {
  return { ...usage, wall: usage.wall * scale, cpu: usage.cpu === undefined ? undefined : usage.cpu * scale };
}

function difference(after: Traffic, before: Traffic): Traffic {
  return {
    requests: after.requests - before.requests,
    received: after.received - before.received,
    sent: after.sent - before.sent,
  };
}
