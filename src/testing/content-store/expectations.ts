import assert from 'node:assert/strict';
import { DrayError, type ErrorKind, type ErrorReason } from '../../errors.ts';

/** Expects an error of dray that has all of these: its kind, its reason, words of its message or hint. Returns it. */
export async function fails(
  promise: Promise<unknown>,
  ...expected: readonly (ErrorKind | ErrorReason | RegExp)[]
): Promise<DrayError> {
  const error: unknown = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DrayError, `not a DrayError: ${String(error)}`);
  const { kind, reason, message, context } = error;
  const said = [message, context.hint ?? ''];
  for (const one of expected) {
    const isSo = one instanceof RegExp ? said.some((text) => one.test(text)) : one === kind || one === reason;
    assert.ok(isSo, `not ${one}, but ${kind}, ${reason}: ${said.join('\n')}`);
  }
  return error;
}

/** Expects a time between `before` and now, give or take a millisecond. */
export function assertAround(milliseconds: number, before: number): void {
  assert.ok(
    milliseconds >= before - 1 && milliseconds <= Date.now() + 1,
    `${milliseconds} is not between ${before} and now`,
  );
}
