import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chunkRange, parseContentRange, parseUploadRange, rangeHeader } from '../../src/remotes/docker/ranges.ts';

describe('ranges', () => {
  it('asks for a rest or a part', () => {
    assert.equal(rangeHeader(10), 'bytes=10-');
    assert.equal(rangeHeader(10, 19), 'bytes=10-19');
  });

  it('writes the range of a chunk without a unit', () => {
    assert.equal(chunkRange(0, 100), '0-99');
  });

  it('reads a content range back', () => {
    const range = fc.tuple(fc.nat(), fc.nat(), fc.nat()).map(([start, length, rest]) => ({
      start,
      end: start + length,
      total: start + length + rest + 1,
    }));
    fc.assert(
      fc.property(range, ({ start, end, total }) => {
        assert.deepEqual(parseContentRange(`bytes ${start}-${end}/${total}`), { start, end, total });
        assert.deepEqual(parseContentRange(`Bytes  ${start}-${end}/*`), { start, end, total: undefined });
      }),
    );
  });

  it('refuses a content range that is malformed or contradicts itself', () => {
    for (const text of [
      '',
      '0-9/10',
      'bytes 0-9',
      'bytes 9-0/10',
      'bytes 0-10/10',
      'bytes -1-9/10',
      'bytes 0-9/10, bytes 10-19/20',
      'items 0-9/10',
      'bytes 0-99999999999999999999/*',
      'bytes 0x1-9/10',
      'bytes */10',
    ]) {
      assert.equal(parseContentRange(text), undefined, text);
    }
  });

  it('reads what a session has, with and without a unit', () => {
    assert.equal(parseUploadRange('0-1023'), 1023);
    assert.equal(parseUploadRange('bytes=0-1023'), 1023);
    assert.equal(parseUploadRange('0-0'), 0);
    for (const text of ['', '5-10', '0-', '-10', 'x', '0--1', '0-99999999999999999999']) {
      assert.equal(parseUploadRange(text), undefined, text);
    }
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'bytes 0123456789-/*=,') }), (text) => {
        parseContentRange(text);
        parseUploadRange(text);
      }),
    );
  });
});
