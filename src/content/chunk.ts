import { isUint8Array } from 'node:util/types';
import { DrayError } from '../errors.ts';

/**
 * Streams of Node are of any type to the compiler, and one with an encoding gives text: its length is none, so it would be
 * taken for no bytes at all.
 * @throws DrayError `invalid-argument` when a chunk is no bytes.
 */
export function checkChunk(chunk: unknown): asserts chunk is Uint8Array {
  if (isUint8Array(chunk)) return;
  const found = typeof chunk === 'object' ? (chunk?.constructor?.name ?? 'an object') : `a ${typeof chunk}`;
  throw new DrayError('invalid-argument', `a chunk of a stream has to be a Uint8Array, not ${found}`, {
    hint: 'read the stream without an encoding, or turn what it gives into bytes',
  });
}
