import assert from 'node:assert/strict';
import { it } from 'node:test';
import { databaseFailure } from '../../src/content/local/sqlite.ts';
import { DrayError } from '../../src/errors.ts';

it('a code of the database is what it says in whole, else what its class says', () => {
  const meaning = (errcode: number): unknown => {
    const error = databaseFailure(Object.assign(new Error('x'), { code: 'ERR_SQLITE_ERROR', errcode }), '/db');
    return error instanceof DrayError ? [error.kind, error.reason] : error;
  };
  assert.deepEqual(meaning(13), ['resource-exhausted', 'disk-full']);
  // On a full disk nothing says so but what could not be made larger.
  assert.deepEqual(meaning(19 * 256 + 10), ['resource-exhausted', 'disk-full']);
  assert.deepEqual(meaning(3 * 256 + 10), ['unavailable', undefined]);
  assert.deepEqual(meaning(2 * 256 + 5), ['unavailable', 'locked']);
});
