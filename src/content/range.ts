import { DrayError } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';
import type { RangeOptions } from './store.ts';

/** The range that is meant, cut to the blob. @throws DrayError `out-of-range` when it starts beyond the end. */
export function checkRange(
  blob: { digest: Digest; size: number },
  { offset = 0, length }: RangeOptions,
): { offset: number; length: number } {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > blob.size) {
    throw new DrayError('out-of-range', `${blob.digest} has ${blob.size} bytes, so nothing can be read from ${offset}`);
  }
  return { offset, length: Math.max(0, Math.min(length ?? Number.POSITIVE_INFINITY, blob.size - offset)) };
}

/** @throws DrayError `out-of-range` when an ingest of `offset` bytes cannot be cut to `size`. */
export function checkCut(ref: string, offset: number, size: number): void {
  if (Number.isSafeInteger(size) && size >= 0 && size <= offset) return;
  throw new DrayError('out-of-range', `cannot cut ingest ${ref} of ${offset} bytes to ${size}`);
}
