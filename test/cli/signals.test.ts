import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signals } from '../../src/cli/signals.ts';

describe('signals to the command', () => {
  it('one that comes twice at once, as from timeout, is one: what is under way is still cleaned up', (t) => {
    const exit = t.mock.method(process, 'exit', () => undefined as never);
    using interruption = signals();
    process.emit('SIGINT');
    process.emit('SIGINT');
    assert.ok(interruption.signal.aborted);
    assert.equal(interruption.exitCode(), 130);
    assert.equal(exit.mock.callCount(), 0);
  });

  it('a second one ends the process at once', (t) => {
    const exit = t.mock.method(process, 'exit', () => undefined as never);
    let now = 1000;
    t.mock.method(performance, 'now', () => now);
    using _ = signals();
    process.emit('SIGTERM');
    now += 1000;
    process.emit('SIGINT');
    assert.deepEqual(exit.mock.calls[0]?.arguments, [130]);
  });
});
