import type { OpenBlob } from './copy.ts';

/** Bytes at hand as a stream. */
export async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Bytes at hand as a blob that can be opened from any offset. */
export function openBytes(bytes: Uint8Array): OpenBlob {
  return (offset) => streamOf(bytes.subarray(offset));
}
