import { type Copied, type OpenCopy, runCopy } from './copy.ts';

/** How many images are looked at before their turn. */
const lookAhead = 16;

/**
 * Copies in turn what `open` opens, and yields what became of each, in that order. The next ones are opened meanwhile: so it
 * is known when their turn comes what they are and whether the target has them.
 */
export async function* copyEach<T>(
  items: Iterable<T>,
  open: (item: T) => Promise<OpenCopy>,
): AsyncGenerator<PromiseSettledResult<Copied>, undefined, undefined> {
  const rest = items[Symbol.iterator]();
  const opened: Promise<OpenCopy>[] = [];
  const openNext = (): void => {
    const { value, done } = rest.next();
    if (done === true) return;
    const copy = open(value);
    // It is told when its turn comes.
    copy.catch(() => {});
    opened.push(copy);
  };
  try {
    for (let count = 0; count < lookAhead; count += 1) openNext();
    for (let copy = opened.shift(); copy !== undefined; copy = opened.shift()) {
      const [result] = await Promise.allSettled([runCopy(copy)]);
      openNext();
      yield result;
    }
  } finally {
    for (const copy of await Promise.allSettled(opened))
      if (copy.status === 'fulfilled') await copy.value[Symbol.asyncDispose]();
  }
}
