import type { EventEmitter } from 'node:events';

/** Resolves when a stream that was full takes more, or is over: why, is told where it is read. */
export async function roomIn(stream: EventEmitter): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.on('drain', resolve).on('close', resolve);
  await promise;
  stream.off('drain', resolve).off('close', resolve);
}
