import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Gathered } from '../../src/content/gathered.ts';

describe('bytes that come in pieces', () => {
  it('are what came, whatever happens to the memory of the pieces and whatever room was expected', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(pieces), fc.nat(2000), (rounds, expected) => {
        const gathered = new Gathered(expected);
        const taken = rounds.map((round) => {
          const whole = Buffer.concat(round);
          for (const piece of round) {
            gathered.add(piece);
            piece.fill(0xff);
          }
          assert.equal(gathered.size, whole.byteLength);
          return [gathered.take(), whole] as const;
        });
        for (const [found, whole] of taken) assert.deepEqual(found, whole);
        assert.equal(gathered.size, 0);
      }),
    );
  });
});
