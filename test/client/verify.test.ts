import assert from 'node:assert/strict';
import { it } from 'node:test';
import { verifyContent } from '../../src/client/verify.ts';
import type { ContentStore } from '../../src/content/store.ts';
import { DrayError, type ErrorKind } from '../../src/errors.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';

/** A store whose one blob cannot be opened. */
function closedStore(kind: ErrorKind): ContentStore {
  const info = { digest: digestOf('x'), size: 1 };
  return {
    info: async () => info,
    reader: () => Promise.reject(new DrayError(kind, 'no luck')),
  } as unknown as ContentStore;
}

const verified = (kind: ErrorKind) => Array.fromAsync(verifyContent(closedStore(kind), [digestOf('x')]));

it('a blob that may not be read is not called damaged', async () => {
  await fails(verified('permission-denied'), 'permission-denied');
  for (const kind of ['data-loss', 'not-found', 'unavailable'] as const)
    assert.equal((await verified(kind))[0]?.problem, 'no luck');
});
