import { once } from 'node:events';

/**
 * The same stream, but giving up ends it at once, also while it waits for a chunk: for streams that know of no signal.
 * @throws the signal's reason.
 */
export async function* interruptible<T>(stream: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  if (signal === undefined) {
    yield* stream;
    return;
  }
  const iterator = stream[Symbol.asyncIterator]();
  const ended = new AbortController();
  const aborted = signal.aborted
    ? Promise.resolve()
    : once(signal, 'abort', { signal: ended.signal }).then(() => undefined);
  aborted.catch(() => {});
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      signal.throwIfAborted();
      if (next === undefined || next.done === true) return;
      yield next.value;
    }
  } finally {
    ended.abort();
    // Not awaited when it hangs in the middle of a chunk.
    const closing = iterator.return?.();
    if (!signal.aborted) await closing;
  }
}
