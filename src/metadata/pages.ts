import type { SQLInputValue } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import type { Rows } from './database.ts';

const pageSize = 500;

type Key = string | number | bigint;

/** Rows of a table in the order of a key. */
export interface PagedQuery<Column extends string> {
  readonly select: string;
  /** The condition and its values. */
  readonly where: string;
  readonly values: readonly SQLInputValue[];
  /** The column of the key. */
  readonly key: Column;
  /** The key behind which they begin; all if not said. */
  readonly before?: Key | undefined;
}

/**
 * The rows of a query of any size, a page at a time: no statement stays open while the caller works, so the caller may change
 * what it walks over, and others may too. A row that comes or goes meanwhile may be met or not.
 */
export async function* pages<Row extends Readonly<Record<Column, Key>>, Column extends string>(
  rows: Rows,
  query: PagedQuery<Column>,
): AsyncGenerator<Row> {
  // Of several lower bounds of the key SQLite goes to the one that is written first: one of the condition, then where it is.
  const order = `ORDER BY ${query.key} LIMIT ${pageSize}`;
  const first = `${query.select} WHERE ${query.where} ${order}`;
  const next = `${query.select} WHERE ${query.key} > ? AND ${query.where} ${order}`;
  for (let after = query.before; ; ) {
    const page =
      after === undefined ? rows.all<Row>(first, ...query.values) : rows.all<Row>(next, after, ...query.values);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    after = last[query.key];
    // Without it nothing else of the process would get a turn until the end.
    await turn();
  }
}
