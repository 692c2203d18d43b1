import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageStream } from '../../src/daemon/server/transfer/message-stream.ts';
import { Streams } from '../../src/daemon/server/transfer/streams.ts';
import { is } from '../../src/errors.ts';

async function* nothing(): AsyncGenerator<never> {}

describe('streams that wait to be named', () => {
  it('are so many and no more', () => {
    const streams = new Streams({ waiting: 2 });
    using one = stream();
    using first = streams.add('a', 'x', one);
    streams.add('b', 'x', stream());
    assert.throws(() => streams.add('a', 'y', stream()), isKind('resource-exhausted'));
    first[Symbol.dispose]();
    streams.add('a', 'y', stream());
    assert.throws(() => streams.take('a', 'x'), isKind('not-found'));
    // What is taken waits no more.
    streams.take('a', 'y');
    streams.add('a', 'z', one);
  });

  it('end when nobody names them in time', async () => {
    const late = stream();
    using _ = new Streams({ wait: 1 }).add('a', 'x', late);
    await assert.rejects(late.answers().next(), isKind('deadline-exceeded'));
    await assert.rejects(late.send({}), isKind('canceled'));
  });

  it('need a name of some length', () => {
    for (const id of ['', 'x'.repeat(2000)])
      assert.throws(() => new Streams().add('a', id, stream()), isKind('invalid-argument'));
  });
});

describe('a stream of messages', () => {
  it('takes one at a time, and fails whoever waits when it ends', async () => {
    const ended = stream();
    const answers = ended.answers();
    const first = ended.send({ typeUrl: 'one' });
    assert.equal((await answers.next()).value?.typeUrl, 'one');
    const second = ended.send({ typeUrl: 'two' });
    assert.equal((await answers.next()).value?.typeUrl, 'two');
    await first;
    await answers.return(undefined);
    await assert.rejects(second, isKind('canceled'));
  });

  it('sends what was said before its end', async () => {
    const ended = stream();
    const sent = ended.send({ typeUrl: 'one' });
    ended.end();
    assert.deepEqual(await Array.fromAsync(ended.answers()), [{ typeUrl: 'one' }]);
    await sent;
  });
});

function stream(): MessageStream {
  return new MessageStream(nothing());
}

function isKind(kind: Parameters<typeof is>[1]): (error: unknown) => boolean {
  return (error) => is(error, kind);
}
