import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { unlessAborted } from '../../src/content/abort.ts';

describe('a wait that can be given up', () => {
  it('does not leave the failure of what it waited for to nobody when it was given up before', async () => {
    const late = Promise.withResolvers<never>();
    await assert.rejects(unlessAborted(late.promise, AbortSignal.abort('given up')), (reason) => reason === 'given up');
    // Unhandled, it would fail this test.
    late.reject(new Error('too late'));
    await turn();
  });

  it('is given up although what it waits for is there', async () => {
    await assert.rejects(
      unlessAborted(Promise.resolve(1), AbortSignal.abort('given up')),
      (reason) => reason === 'given up',
    );
  });
});
