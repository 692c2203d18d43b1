import { formatBytes } from './image.ts';
import type { Row } from './results.ts';

/** The columns of a table, and how wide they are. */
export const heads = [
  ['tool', 22],
  ['wall', 9],
  ['from … to', 17],
  ['MB/s', 7],
  ['cpu', 9],
  ['memory', 9],
  ['requests', 9],
  ['received', 9],
  ['sent', 9],
  ['wall/best', 10],
  ['cpu/best', 9],
] as const;

/** A table of one case. */
export function tableOf(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return '';
  const lines = [heads.map(([head]) => head), ...rows.map(cellsOf)];
  const aligned = lines.map((cells) =>
    cells
      .map((cell, column) => pad(cell, heads[column]?.[1] ?? 0, column))
      .join(' ')
      .trimEnd(),
  );
  return [`${first.job}: ${first.subject}`, ...aligned.map((line) => `  ${line}`), ''].join('\n');
}

/** What a tool is called in tables: with its promise where that makes a difference. */
export function titleOf({ tool, durable }: Pick<Row, 'tool' | 'durable'>): string {
  return durable === true ? `${tool}, flushed` : tool;
}

/** The cells of a row, in the order of the heads. */
export function cellsOf(row: Row): string[] {
  const { bytes, wall, cpu, memory, traffic, wallRatio, cpuRatio } = row;
  return [
    titleOf(row),
    formatSeconds(wall?.median),
    wall === undefined ? '' : `${formatSeconds(wall.minimum)} … ${formatSeconds(wall.maximum)}`,
    bytes === undefined || wall === undefined ? '' : (bytes / wall.median / 1e6).toFixed(0),
    formatSeconds(cpu?.median),
    memory === undefined ? '' : formatBytes(memory.maximum),
    traffic === undefined ? '' : String(traffic.requests),
    traffic === undefined ? '' : formatBytes(traffic.received),
    traffic === undefined ? '' : formatBytes(traffic.sent),
    wallRatio === undefined ? '' : wallRatio.toFixed(2),
    cpuRatio === undefined ? '' : cpuRatio.toFixed(2),
  ];
}

/** `1.23 s`, `45 ms` */
export function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return '';
  return seconds < 0.9995 ? `${(seconds * 1000).toFixed(0)} ms` : `${seconds.toFixed(2)} s`;
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
