import type { SQLInputValue } from 'node:sqlite';
import type { Rows } from './database.ts';

const pageSize = 500;

/** Rows that are read a page at a time. */
export interface PagedQuery<Row> {
  /** Takes `values`, then the text key behind which the page starts and the most rows; ordered by that key. */
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
  /** The key of a row. */
  readonly after: (row: Row) => string;
}

/**
 * The rows of a query of any size, a page at a time: no statement stays open while the caller works, so the caller may change
 * what it walks over, and others may too. A row that comes or goes meanwhile may be met or not.
 */
export async function* pages<Row>(rows: Rows, { sql, values, after }: PagedQuery<Row>): AsyncGenerator<Row> {
  for (let key = ''; ; ) {
    const page = rows.all<Row>(sql, ...values, key, pageSize);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    key = after(last);
  }
}
