import { unlessAborted } from './abort.ts';

/**
 * The same stream, but giving up ends it at once, also while it waits for a chunk: for streams that know of no signal.
 * @throws the signal's reason.
 */
export async function* interruptible<T>(stream: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  const iterator = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      signal?.throwIfAborted();
      const next = await unlessAborted(iterator.next(), signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    const closing = iterator.return?.();
    // Not awaited when it may hang in the middle of a chunk.
    if (signal?.aborted === true) closing?.catch(() => {});
    else await closing;
  }
}
