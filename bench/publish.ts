import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { plotOf } from './plot.ts';
import type { Results, Row } from './results.ts';
import { cellsOf, heads } from './table.ts';

const [begin, end] = ['<!-- results -->', '<!-- end of results -->'];

/** Puts the results between their marks in `performance.md`, and their plot beside it. The words around them stay. */
export async function publish(results: Results, directory: string): Promise<void> {
  const page = join(directory, 'performance.md');
  const text = await readFile(page, 'utf8');
  const [before = '', rest = ''] = text.split(begin);
  const [, after = ''] = rest.split(end);
  await writeFile(page, `${before}${begin}\n\n${resultsPage(results)}\n${end}${after}`);
  await writeFile(join(directory, 'performance.svg'), plotOf(results.rows));
}

/** The results in Markdown: where they come from, the plot, and a table for each job. */
export function resultsPage({ date, machine, versions, arguments: words, rows }: Results): string {
  const command = ['npm run bench', ...(words.length === 0 ? [] : ['--', ...words])].join(' ');
  const lines = [
    `\`${command}\` on ${date.slice(0, 10)}; ${Object.values(machine).join(', ')}.`,
    '',
    Object.entries(versions)
      .map(([name, version]) => `${name}: ${version}`)
      .join('; '),
    '',
    '![How long each job took, as a multiple of the fastest other tool](performance.svg)',
    '',
  ];
  for (const group of grouped(rows)) lines.push(...tableLines(group));
  return lines.join('\n');
}

/** The rows of each job with each subject, in their order. */
export function grouped(rows: readonly Row[]): readonly (readonly Row[])[] {
  return [...Map.groupBy(rows, ({ job, subject }) => `${job}: ${subject}`).values()];
}

function tableLines(rows: readonly Row[]): string[] {
  const [first] = rows;
  if (first === undefined) return [];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const head = heads.map(([title]) => title);
  const rule = heads.map((_, column) => (column === 0 ? '---' : '---:'));
  return [`**${first.job}**: ${first.subject}`, '', ...[head, rule, ...rows.map(cellsOf)].map(line), ''];
}
