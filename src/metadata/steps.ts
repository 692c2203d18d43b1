import { setImmediate as turn } from 'node:timers/promises';

/** Something that takes long, in steps of a few milliseconds each. */
export type Steps<T = void> = Generator<void, T, void>;

/** How long steps follow each other before everybody else gets a turn. */
const turnMilliseconds = 10;

/** Goes through steps, some in each turn of the event loop. @throws what a step does; the reason of the signal. */
export async function inTurns<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    const end = performance.now() + turnMilliseconds;
    do {
      signal?.throwIfAborted();
      const { done, value } = steps.next();
      if (done === true) return value;
    } while (performance.now() < end);
    await turn();
  }
}
