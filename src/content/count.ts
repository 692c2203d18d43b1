import { DrayError } from '../errors.ts';

/**
 * A number of things or bytes that somebody chose. None at a time, or a part of one, would never come to an end.
 * @throws DrayError `invalid-argument` for what is no whole number from 1 on; without a bound is one.
 */
export function checkCount(what: string, count: number): number {
  if (count >= 1 && (Number.isSafeInteger(count) || count === Number.POSITIVE_INFINITY)) return count;
  throw new DrayError('invalid-argument', `${what} cannot be ${count}`, { hint: 'use a whole number from 1 on' });
}
