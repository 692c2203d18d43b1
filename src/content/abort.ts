import { setTimeout as sleep } from 'node:timers/promises';

/** What a promise settles with, or the reason of the signal when that aborts first. Nothing is stopped by it. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    // Both are listened to in every case: the promise may still fail, and that would be nobody's.
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Aborts when one of the two does, with its reason; without the first it is the second itself. */
export function eitherSignal(outer: AbortSignal | undefined, own: AbortSignal): AbortSignal {
  return outer === undefined ? own : AbortSignal.any([outer, own]);
}

/** Waits for a promise, for so many milliseconds at the most. Nothing is stopped by it. @throws what the promise does meanwhile. */
export async function waitAtMost(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  try {
    await Promise.race([promise, sleep(milliseconds, undefined, { ref: false, signal: done.signal })]);
  } finally {
    done.abort();
  }
}

/** Waits for so many milliseconds. @throws the reason of the signal. */
export async function rest(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
}
