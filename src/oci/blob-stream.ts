import type { Provider, RangeOptions } from '../content/store.ts';
import { sizeMismatch } from '../content/verified.ts';
import type { Descriptor } from '../spec/descriptor.ts';

/** Options of {@link streamBlob}. */
export type StreamBlobOptions = Pick<RangeOptions, 'transient' | 'position' | 'signal'>;

/**
 * The verified bytes of a blob. The last chunk is held back until the digest is right.
 * @throws DrayError `not-found`; `data-loss`, reason `size-mismatch` or `digest-mismatch`.
 */
export async function* streamBlob(
  source: Provider,
  target: Descriptor,
  options: StreamBlobOptions = {},
): AsyncGenerator<Uint8Array> {
  await using reader = await source.reader(target, { signal: options.signal });
  if (reader.size !== target.size) throw sizeMismatch(target.digest, target.size, reader.size, false);
  yield* reader.stream(options);
}
