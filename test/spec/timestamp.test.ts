import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { DrayError } from '../../src/errors.ts';
import { Timestamp } from '../../src/spec/timestamp.ts';

it('a time is read back as it was written, to the nanosecond', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -62135596800n, max: 253402300799n }),
      fc.bigInt({ min: 0n, max: 999_999_999n }),
      (seconds, nanoseconds) => {
        const time = new Timestamp(seconds * 1_000_000_000n + nanoseconds);
        assert.equal(Timestamp.parse(time.toString()).nanoseconds, time.nanoseconds);
      },
    ),
  );
});

it('a time is written as Go writes it', () => {
  assert.equal(new Timestamp(0n).toString(), '1970-01-01T00:00:00Z');
  assert.equal(new Timestamp(1_500_000_000n).toString(), '1970-01-01T00:00:01.5Z');
  assert.equal(Timestamp.parse('2026-11-20T23:00:30.52702584+01:00').toString(), '2026-11-20T22:00:30.52702584Z');
});

it('what is no time is refused', () => {
  for (const text of [
    '',
    'now',
    '2026-11-20',
    '2026-13-01T00:00:00Z',
    '2026-11-20T23:00:30',
    '2026-11-20T23:00:30.1234567890Z',
    '0000-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59.999999999-00:01',
  ]) {
    assert.throws(
      () => Timestamp.parse(text),
      (error: unknown) => error instanceof DrayError && error.kind === 'invalid-argument',
      text,
    );
  }
});

it('the clock is within a millisecond of the system clock and never goes back', () => {
  let last = 0n;
  for (let n = 0; n < 20_000; n += 1) {
    const before = BigInt(Date.now()) * 1_000_000n;
    const { nanoseconds } = Timestamp.now();
    const after = BigInt(Date.now() + 1) * 1_000_000n;
    assert.ok(nanoseconds >= last);
    assert.ok(nanoseconds >= before - 1_000_000n && nanoseconds <= after + 1_000_000n);
    last = nanoseconds;
  }
});
