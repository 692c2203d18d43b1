import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { eitherSignal, unlessAborted } from '../../src/content/abort.ts';

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

describe('the signal of something that ends for two reasons', () => {
  it('aborts with the reason of the one that aborts first', () => {
    const [outer, own] = [new AbortController(), new AbortController()];
    const either = eitherSignal(outer.signal, own.signal);
    assert.equal(either.aborted, false);
    outer.abort('from outside');
    own.abort('of its own');
    assert.equal(either.reason, 'from outside');
  });

  it('is its own where nobody outside has one', () => {
    const own = new AbortController();
    own.abort('of its own');
    assert.equal(eitherSignal(undefined, own.signal).reason, 'of its own');
  });
});
