import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { because, DrayError, ifFound, is, toDrayError, withContext } from '../src/errors.ts';

const system = (code: string): Error =>
  Object.assign(new Error(`${code}: no luck, open '/store'`), { code, path: '/store' });

describe('errors', () => {
  it('of the system get the kind, the reason and the next step that they mean', () => {
    const table: readonly [string, string, string | undefined][] = [
      ['ENOSPC', 'resource-exhausted', 'disk-full'],
      ['EDQUOT', 'resource-exhausted', 'disk-full'],
      ['EMFILE', 'resource-exhausted', undefined],
      ['EACCES', 'permission-denied', undefined],
      ['ERR_ACCESS_DENIED', 'permission-denied', undefined],
      ['ERR_INVALID_ARG_VALUE', 'invalid-argument', undefined],
      ['EROFS', 'permission-denied', undefined],
      ['ENOENT', 'not-found', undefined],
      ['EBUSY', 'unavailable', undefined],
      ['EIO', 'unavailable', undefined],
      ['ENAMETOOLONG', 'invalid-argument', undefined],
      ['EUNHEARDOF', 'unknown', undefined],
    ];
    for (const [code, kind, reason] of table) {
      const error = toDrayError(system(code));
      assert.equal(error.kind, kind);
      assert.equal(error.reason, reason);
      assert.equal(error.context.path, '/store');
      assert.equal(error.cause instanceof Error, true);
    }
    assert.match(toDrayError(system('ENOSPC')).context.hint ?? '', /space/);
  });

  it('for what is not there leave nothing, and no others do', async () => {
    assert.equal(await ifFound(Promise.resolve(1)), 1);
    assert.equal(await ifFound(Promise.reject(new DrayError('not-found', 'gone'))), undefined);
    await assert.rejects(ifFound(Promise.reject(new DrayError('unavailable', 'away'))), (error) =>
      is(error, 'unavailable'),
    );
  });

  it('that are not errors are taken in as well', () => {
    for (const thrown of [undefined, null, 'text', 42, { code: 7 }]) assert.equal(toDrayError(thrown).kind, 'unknown');
  });

  it('keep what they say when more is said about them', () => {
    const error = new DrayError('not-found', 'gone', { hint: 'look elsewhere', side: 'store', status: undefined });
    const told = withContext(error, { hint: 'other', operation: 'pull redis', status: 404 });
    assert.deepEqual(
      {
        hint: told.context.hint,
        side: told.context.side,
        operation: told.context.operation,
        status: told.context.status,
      },
      { hint: 'look elsewhere', side: 'store', operation: 'pull redis', status: 404 },
    );
    assert.equal(told.message, 'gone');
  });

  it('of another copy of the package are known as well', () => {
    const foreign = Object.assign(new Error('x'), { kind: 'not-found', context: {}, [Symbol.for('dray.error')]: true });
    assert.ok(foreign instanceof DrayError);
    assert.ok(is(foreign, 'not-found'));
    assert.equal(is(new Error('x'), 'not-found'), false);
    assert.equal(because(new DrayError('unavailable', 'x', { reason: 'locked' }), 'locked'), true);
  });

  it('as JSON say everything but the stack', () => {
    const json = JSON.parse(
      JSON.stringify(new DrayError('unavailable', 'no answer', { registry: 'r.example', cause: new Error('refused') })),
    );
    assert.deepEqual(json, { kind: 'unavailable', message: 'no answer', registry: 'r.example', cause: ['refused'] });
    assert.match(inspect(new DrayError('internal', 'x')), /DrayError/);
  });
});
