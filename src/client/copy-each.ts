import type { Digest } from '../spec/digest.ts';
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
  const opened: { readonly item: T; readonly copy: Promise<OpenCopy> }[] = [];
  const brought = new Set<Digest>();
  const openNext = (): void => {
    const { value: item, done } = rest.next();
    if (done === true) return;
    const copy = open(item);
    // It is told when its turn comes.
    copy.catch(() => {});
    opened.push({ item, copy });
  };
  // What was not there may have come with another one.
  const inTurn = async (item: T, copy: OpenCopy): Promise<OpenCopy> => {
    if (copy.isThere || !brought.has(copy.root.digest)) return copy;
    await copy[Symbol.asyncDispose]();
    return await open(item);
  };
  try {
    for (let count = 0; count < lookAhead; count += 1) openNext();
    for (let next = opened.shift(); next !== undefined; next = opened.shift()) {
      const { item, copy } = next;
      const [result] = await Promise.allSettled([runCopy(copy.then((found) => inTurn(item, found)))]);
      if (result.status === 'fulfilled') brought.add(result.value.root.digest);
      openNext();
      yield result;
    }
  } finally {
    for (const copy of await Promise.allSettled(opened.map((next) => next.copy)))
      if (copy.status === 'fulfilled') await copy.value[Symbol.asyncDispose]();
  }
}
