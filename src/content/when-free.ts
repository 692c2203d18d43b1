import { rest } from './abort.ts';
import type { AbortableOptions } from './store.ts';

/** Options of {@link whenFree}. */
export interface WhenFreeOptions extends AbortableOptions {
  /** Whether an attempt failed because somebody else has what it needs: nothing else is waited for. */
  readonly isTaken: (error: unknown) => boolean;
  /** The longest pause between two attempts, in milliseconds. */
  readonly longestPause: number;
  /** The longest to wait, in milliseconds; without end if not said. */
  readonly timeout?: number | undefined;
  /** Called once when there is somebody to wait for. */
  readonly onTaken?: (() => void) | undefined;
}

/** In milliseconds. */
const firstPause = 2;

/**
 * What an attempt gives as soon as nobody else has what it needs.
 * @throws what the attempt throws, also when the time is over; the signal's reason.
 */
export async function whenFree<T>(
  attempt: () => T | Promise<T>,
  { isTaken, longestPause, timeout = Number.POSITIVE_INFINITY, onTaken, signal }: WhenFreeOptions,
): Promise<T> {
  const deadline = performance.now() + timeout;
  for (let pause = firstPause; ; pause = Math.min(pause * 2, longestPause)) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!isTaken(error) || performance.now() + pause > deadline) throw error;
    }
    if (pause === firstPause) onTaken?.();
    // Spread, so that several who wait do not come back at the same moment.
    await rest(pause / 2 + Math.random() * (pause / 2), signal);
  }
}
