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
  /** What lies before every key; an empty text if not said. */
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
  const sql = `${query.select} WHERE ${query.where} AND ${query.key} > ? ORDER BY ${query.key} LIMIT ${pageSize}`;
  for (let after: Key = query.before ?? ''; ; ) {
    const page = rows.all<Row>(sql, ...query.values, after);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    after = last[query.key];
    // Without it nothing else of the process would get a turn until the end.
    await turn();
  }
}
