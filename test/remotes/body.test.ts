import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
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
  // As the chunked coding brings it: with something else between the bytes of one chunk and those of the next.
  const pushFramed = (data: Uint8Array): void => {
    for (let at = 0; at < data.byteLength; ) {
      const room = inlet.room();
      const part = data.subarray(at, at + room.byteLength - 1);
      room.set(part, 1);
      const bytes = inlet.arrived(part.byteLength + 1);
      slabs.hold(bytes);
      if (part.byteLength > 0) body.push(bytes.subarray(1));
      slabs.release(bytes);
      at += part.byteLength;
    }
  };
  return { body, push, pushFramed };
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

  it('is the same in however small chunks it comes, and comes in few pieces', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const sizes = fc.array(fc.oneof(fc.nat(3), fc.nat(8000), fc.nat(70_000)), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.infiniteStream(fc.boolean()), async (all, reads) => {
        const { body, pushFramed } = openBody();
        const sent: Uint8Array[] = [];
        const found: Uint8Array[] = [];
        for (const size of all) {
          const bytes = randomBytes(size);
          sent.push(bytes);
          pushFramed(bytes);
          if (size === 0 || reads.next().value !== true) continue;
          const reading = body.borrow();
          context.mock.timers.tick(100);
          found.push(Buffer.from((await reading) ?? []));
        }
        body.end();
        for await (const piece of body) found.push(piece);
        assert.deepEqual(Buffer.concat(found), Buffer.concat(sent));
      }),
    );
    const { body, pushFramed } = openBody();
    for (let n = 0; n < 200_000; n += 1) pushFramed(Buffer.from([n]));
    body.end();
    const pieces = await Array.fromAsync(body);
    assert.equal(Buffer.concat(pieces)[199_999], 199_999 % 256);
    assert.ok(pieces.length <= 5, `${pieces.length} pieces`);
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
