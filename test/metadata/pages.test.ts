import assert from 'node:assert/strict';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { it } from 'node:test';
import type { Rows } from '../../src/metadata/database.ts';
import { pages } from '../../src/metadata/pages.ts';

const count = 3000;

it('pages of what a condition begins at a key look at each row once', async () => {
  using database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE image (name TEXT PRIMARY KEY) WITHOUT ROWID');
  database.exec(
    `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${2 * count - 1})
     INSERT INTO image SELECT CASE WHEN i < ${count} THEN 'a' ELSE 'b' END || printf('%06d', i) FROM n`,
  );
  let seen = 0;
  database.function('seen', (_name) => {
    seen += 1;
    return 1;
  });
  const rows = {
    all: (sql: string, ...values: SQLInputValue[]) => database.prepare(sql).all(...values),
  } as unknown as Rows;
  const query = {
    select: 'SELECT name FROM image',
    where: '(name >= ?) AND seen(name)',
    values: ['b'],
    key: 'name',
  } as const;
  const names = (before?: string): Promise<string[]> =>
    Array.fromAsync(pages<{ name: string }, 'name'>(rows, { ...query, before }), ({ name }) => name);
  const found = await names();
  assert.equal(found.length, count);
  assert.equal(new Set(found).size, count);
  assert.deepEqual(found, found.toSorted());
  assert.equal(seen, count);
  assert.deepEqual(await names(found[1999]), found.slice(2000));
  assert.equal(seen, count + 1000);
});
