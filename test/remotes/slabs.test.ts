import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Inlet, Slabs } from '../../src/remotes/docker/slabs.ts';

describe('memory that connections read into', () => {
  it('is not used again while somebody holds bytes of it', () => {
    const action = fc.oneof(
      fc.record({ type: fc.constant('read' as const), size: fc.integer({ min: 1, max: 700_000 }) }),
      fc.record({ type: fc.constant('release' as const), which: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const slabs = new Slabs();
        const inlets = [new Inlet(slabs), new Inlet(slabs)];
        const held: { readonly bytes: Uint8Array; readonly mark: number }[] = [];
        for (const [n, step] of actions.entries()) {
          if (step.type === 'read') {
            const inlet = inlets[n % 2];
            const room = inlet?.room() ?? new Uint8Array(0);
            const count = Math.min(step.size, room.byteLength);
            room.fill(n % 251, 0, count);
            const bytes = inlet?.arrived(count) ?? new Uint8Array(0);
            slabs.hold(bytes);
            held.push({ bytes, mark: n % 251 });
          } else {
            const [gone] = held.splice(step.which, 1);
            if (gone !== undefined) slabs.release(gone.bytes);
          }
          for (const { bytes, mark } of held)
            assert.ok(bytes[0] === mark && bytes.at(-1) === mark && bytes[bytes.byteLength >> 1] === mark);
        }
      }),
    );
  });

  it('is used again when nobody does', () => {
    const slabs = new Slabs();
    const first = slabs.take();
    slabs.hold(first.subarray(5, 10));
    slabs.release(first);
    assert.notEqual(slabs.take().buffer, first.buffer);
    slabs.release(first.subarray(5, 10));
    assert.equal(slabs.take().buffer, first.buffer);
  });

  it('becomes the own memory of whoever keeps what is in it', () => {
    const slabs = new Slabs();
    const slab = slabs.take();
    slab.set([1, 2, 3]);
    const own = slabs.own(slab.subarray(0, 3));
    assert.deepEqual([...own], [1, 2, 3]);
    assert.equal(slabs.take().buffer, slab.buffer);
    const foreign = new Uint8Array([4]);
    assert.equal(slabs.own(foreign), foreign);
  });

  it('ends, once a body began, where a multiple of 1 MiB of the body does', () => {
    const size = fc.integer({ min: 1, max: 2_000_000 });
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 3 }), fc.array(size, { minLength: 1 }), (heads, reads) => {
        const slabs = new Slabs();
        const inlet = new Inlet(slabs);
        const read = (count: number): Uint8Array => {
          const bytes = inlet.arrived(Math.min(count, inlet.room().byteLength));
          slabs.hold(bytes);
          return bytes;
        };
        for (const head of heads) {
          const first = read(head + 1);
          // The head of the answer comes with the first byte of the body.
          const begun = first.subarray(-1);
          slabs.begin(begun);
          let [offset, last] = [1, begun];
          for (const count of [...reads, ...Array.from({ length: 30 }, () => 500_000)]) {
            const next = read(count);
            // The slab that it began in ends where it ends.
            if (next.buffer !== last.buffer && last.buffer !== begun.buffer) assert.equal(offset % (1024 * 1024), 0);
            offset += next.byteLength;
            last = next;
          }
        }
      }),
      { numRuns: 30 },
    );
  });
});
