import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { plotOf } from './plot.ts';
import { caseOf, type Results, type Row } from './results.ts';
import { cellsOf, heads } from './table.ts';

const [begin, end] = ['<!-- results -->', '<!-- end of results -->'];

/** Puts the results between their marks in `performance.md`, and their plot beside it. The words around them stay. */
export async function publish(runs: readonly Results[], directory: string): Promise<void> {
  const page = join(directory, 'performance.md');
  const text = await readFile(page, 'utf8');
  const [before = '', rest = ''] = text.split(begin);
  const [, after = ''] = rest.split(end);
  await writeFile(page, `${before}${begin}\n\n${[plot, '', ...runs.flatMap(runLines)].join('\n')}\n${end}${after}`);
  await writeFile(join(directory, 'performance.svg'), plotOf(runs.flatMap(({ rows }) => rows)));
}

const plot = '![How long each job took, as a multiple of the fastest other tool](performance.svg)';

// Where the figures come from, and a table for each case.
function runLines({ date, machine, versions, arguments: words, rows }: Results): string[] {
  const command = ['npm run bench', ...(words.length === 0 ? [] : ['--', ...words])].join(' ');
  const tools = Object.entries(versions).map(([name, version]) => `${name}: ${version}`);
  return [
    `\`${command}\` on ${date.slice(0, 10)}; ${Object.values(machine).join(', ')}.`,
    '',
    tools.join('; '),
    '',
    ...[...Map.groupBy(rows, caseOf).values()].flatMap(tableLines),
  ];
}

function tableLines(rows: readonly Row[]): string[] {
  const [first] = rows;
  if (first === undefined) return [];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const head = heads.map(([title]) => title);
  const rule = heads.map((_, column) => (column === 0 ? '---' : '---:'));
  return [`**${first.job}**: ${first.subject}`, '', ...[head, rule, ...rows.map(cellsOf)].map(line), ''];
}
