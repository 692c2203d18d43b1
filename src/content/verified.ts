import { DrayError } from '../errors.ts';
import { algorithmOf, createHasher, type Digest } from '../spec/digest.ts';
import { checkChunk } from './chunk.ts';
import type { Target } from './store.ts';

/**
 * The same bytes, known to be those of `target` once the stream has ended. The last chunk is held back until size and
 * digest are right, so that nobody who read to the end has read anything else.
 * @throws DrayError `data-loss` with reason `size-mismatch` (as soon as there is a byte too many) or `digest-mismatch`.
 */
export async function* verified(stream: AsyncIterable<Uint8Array>, target: Target): AsyncGenerator<Uint8Array> {
  const hasher = createHasher(algorithmOf(target.digest));
  let size = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of stream) {
    checkChunk(chunk);
    size += chunk.byteLength;
    if (target.size !== undefined && size > target.size) throw sizeMismatch(target.digest, target.size, size, true);
    hasher.update(chunk);
    if (held !== undefined) yield held;
    held = chunk;
  }
  if (target.size !== undefined && size !== target.size) throw sizeMismatch(target.digest, target.size, size, false);
  checkDigest(target.digest, hasher.digest());
  if (held !== undefined) yield held;
}

/** @throws DrayError `data-loss`, reason `digest-mismatch`, when the two differ. */
export function checkDigest(expected: Digest, actual: Digest): void {
  if (actual === expected) return;
  throw new DrayError('data-loss', `content of ${expected} has the digest ${actual}`, {
    reason: 'digest-mismatch',
    hint: 'the copy is damaged: remove it and get it again',
  });
}

/** @throws DrayError `data-loss`, reason `size-mismatch`, when a stored blob is not as long as the target says, if it says. */
export function checkStoredSize({ digest, size: expected = 0 }: Target, size: number): void {
  if (expected > 0 && expected !== size) throw sizeMismatch(digest, expected, size, false);
}

/** The error for content that is shorter or longer than it has to be. */
export function sizeMismatch(digest: Digest, expected: number, actual: number, atLeast: boolean): DrayError {
  const found = atLeast ? `more than ${expected} bytes` : `${actual} bytes`;
  return new DrayError('data-loss', `content of ${digest} has ${found}, not ${expected}`, {
    reason: 'size-mismatch',
    hint: 'the copy is incomplete or not what its descriptor says: get it again',
  });
}
