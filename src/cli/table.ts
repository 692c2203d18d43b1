import { visible } from './visible.ts';

/** A column of a list. */
export interface Column<T> {
  readonly head: string;
  readonly right?: boolean | undefined;
  value(item: T): string;
}

/** How many rows are looked at before they are written. */
const rowsAtOnce = 1000;

/** The lines of a table. A column is as wide as its widest cell so far, so that a long list begins before its end is known. */
export async function* tableOf<T>(items: AsyncIterable<T>, columns: readonly Column<T>[]): AsyncGenerator<string> {
  const widths = columns.map(() => 0);
  let rows = [columns.map((column) => column.head)];
  for await (const item of items) {
    rows.push(columns.map((column) => visible(column.value(item))));
    if (rows.length < rowsAtOnce) continue;
    yield* aligned(rows, columns, widths);
    rows = [];
  }
  yield* aligned(rows, columns, widths);
}

function* aligned(
  rows: readonly (readonly string[])[],
  columns: readonly Pick<Column<never>, 'right'>[],
  widths: number[],
): Generator<string> {
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  for (const row of rows) {
    const cells = row.map((cell, index) =>
      columns[index]?.right ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
    );
    yield cells.join('  ').trimEnd();
  }
}
