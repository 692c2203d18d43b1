import type { Case, Outcome } from './rounds.ts';
import type { Traffic } from './servers/docker-registry.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** What one tool took for one job. */
export interface Row {
  readonly job: string;
  readonly subject: string;
  readonly tool: string;
  readonly ours: boolean;
  readonly durable: boolean | undefined;
  /** How much was moved, in bytes. */
  readonly bytes: number | undefined;
  /** Seconds. */
  readonly wall: Spread | undefined;
  /** Seconds. */
  readonly cpu: Spread | undefined;
  /** Bytes. */
  readonly memory: Spread | undefined;
  readonly traffic: Traffic | undefined;
  /** Of ours: its median divided by the best median of those that promise the same. */
  readonly wallRatio?: number | undefined;
  readonly cpuRatio?: number | undefined;
}

/** Everything that a run of the benchmark found. */
export interface Results {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly arguments: readonly string[];
  readonly rows: readonly Row[];
}

/** What a row is about: tools that did the same. */
export function caseOf({ job, subject }: Pick<Row, 'job' | 'subject'>): string {
  return `${job}: ${subject}`;
}

/** What is published once a run is added: of each case the last figures there are, with the run they come from. */
export function withRun(published: readonly Results[], run: Results): readonly Results[] {
  const again = new Set(run.rows.map(caseOf));
  const earlier = published.map((one) => ({ ...one, rows: one.rows.filter((row) => !again.has(caseOf(row))) }));
  return [...earlier.filter(({ rows }) => rows.length > 0), run];
}

/** The figures of a case, ours with their ratios. */
export function rowsOf({ name, subject, bytes }: Case, outcomes: readonly Outcome[]): Row[] {
  const rows = outcomes.map(({ contestant, runs, traffic }): Row => {
    const { tool, ours, durable } = contestant;
    const wall = spreadOf(runs.map((run) => run.wall));
    const cpu = spreadOf(runs.map((run) => run.cpu));
    const memory = spreadOf(runs.map((run) => run.memory));
    return { job: name, subject, tool, ours, durable, bytes, wall, cpu, memory, traffic };
  });
  return rows.map((row) => {
    if (!row.ours) return row;
    const peers = rows.filter((other) => !other.ours && (other.durable === undefined || other.durable === row.durable));
    return {
      ...row,
      wallRatio: ratio(row.wall, best(peers.map((peer) => peer.wall))),
      cpuRatio: ratio(row.cpu, best(peers.map((peer) => peer.cpu))),
    };
  });
}

function best(spreads: readonly (Spread | undefined)[]): number | undefined {
  const medians = spreads.flatMap((spread) => (spread === undefined ? [] : [spread.median]));
  return medians.length === 0 ? undefined : Math.min(...medians);
}

// What is too short for the clock of the system is nothing to be held against.
function ratio(own: Spread | undefined, other: number | undefined): number | undefined {
  return own === undefined || other === undefined || other === 0 ? undefined : own.median / other;
}
