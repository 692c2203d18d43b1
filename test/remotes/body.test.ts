import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Dispatcher } from 'undici';
import { ResponseBody } from '../../src/remotes/docker/body.ts';
import { Inlet, Slabs } from '../../src/remotes/docker/slabs.ts';

const mebibyte = 1024 * 1024;

/** A body, and what brings it bytes as a connection does. */
function openBody() {
  const slabs = new Slabs();
  const inlet = new Inlet(slabs);
  const body = new ResponseBody(undefined, slabs, 1000);
  const push = (count: number): void => {
    const bytes = inlet.arrived(Math.min(count, inlet.room().byteLength));
    slabs.hold(bytes);
    body.push(bytes);
    slabs.release(bytes);
  };
  return { body, push };
}

describe('the body of an answer', () => {
  it('comes as one piece when it comes in small amounts, though its reader is waiting', async () => {
    const { body, push } = openBody();
    const reading = body.borrow();
    for (let n = 0; n < 10; n += 1) push(1000);
    body.end();
    assert.equal((await reading)?.byteLength, 10_000);
    assert.equal(await body.borrow(), undefined);
  });

  it('comes in pieces that are no larger than a slab, while it goes on', async () => {
    const { body, push } = openBody();
    const reading = body.borrow();
    for (let n = 0; n < 40; n += 1) push(32 * 1024);
    const piece = await reading;
    assert.ok(piece !== undefined && piece.byteLength > mebibyte / 2 && piece.byteLength <= mebibyte);
    body.cancel();
  });

  it('is waited for a moment and no longer', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const { body, push } = openBody();
    const reading = body.borrow();
    push(1);
    context.mock.timers.tick(50);
    push(2);
    context.mock.timers.tick(50);
    assert.equal((await reading)?.byteLength, 3);
    // The next moment begins with the next byte.
    const next = body.borrow();
    context.mock.timers.tick(1000);
    push(4);
    context.mock.timers.tick(100);
    assert.equal((await next)?.byteLength, 4);
    body.cancel();
  });

  it('is given as far as it came before it failed', async () => {
    const { body, push } = openBody();
    const reading = body.borrow();
    push(5);
    const failure = new Error('reset');
    body.fail(failure);
    assert.equal((await reading)?.byteLength, 5);
    await assert.rejects(body.borrow(), failure);
  });

  it('is not waited for while the server is held back', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const { body } = openBody();
    const controller = {
      paused: false,
      pause(): void {
        controller.paused = true;
      },
      resume(): void {
        controller.paused = false;
      },
      abort(): void {},
    };
    body.start(controller as unknown as Dispatcher.DispatchController);
    for (const size of [700, 400]) body.push(new Uint8Array(size * 1024));
    assert.equal(controller.paused, true);
    assert.equal((await body.borrow())?.byteLength, 700 * 1024);
    assert.equal((await body.borrow())?.byteLength, 400 * 1024);
    assert.equal(controller.paused, false);
    body.cancel();
  });
});
