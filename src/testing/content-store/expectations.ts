import assert from 'node:assert/strict';
import { DrayError, type ErrorKind, type ErrorReason } from '../../errors.ts';

/** Expects an error of dray. */
export async function fails(promise: Promise<unknown>, kind: ErrorKind, reason?: ErrorReason): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof DrayError, `not a DrayError: ${String(error)}`);
    assert.equal(error.kind, kind, error.message);
    if (reason !== undefined) assert.equal(error.reason, reason, error.message);
    return true;
  });
}

/** Expects a time between `before` and now, give or take a millisecond. */
export function assertAround(milliseconds: number, before: number): void {
  assert.ok(
    milliseconds >= before - 1 && milliseconds <= Date.now() + 1,
    `${milliseconds} is not between ${before} and now`,
  );
}
