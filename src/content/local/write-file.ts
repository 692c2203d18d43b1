import { open } from 'node:fs/promises';
import type { AbortableOptions } from '../store.ts';
import { type Durability, FlushAhead } from './durable.ts';
import { writeAll } from './write-all.ts';

/** Options of {@link writeNewFile}. */
export interface WriteFileOptions extends AbortableOptions {
  readonly durability: Durability;
  /** The mode of the file, less what the umask of the process takes. */
  readonly mode: number;
}

/**
 * Writes a stream to a file that is not there yet, and flushes it. Each chunk is written before the next one is asked for. A
 * failure leaves what was written.
 * @throws what the stream and the file system throw, and the reason of the signal.
 */
export async function writeNewFile(
  path: string,
  stream: AsyncIterable<Uint8Array>,
  { durability, mode, signal }: WriteFileOptions,
): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    const flushing = new FlushAhead(durability, file);
    let size = 0;
    for await (const chunk of stream) {
      signal?.throwIfAborted();
      await writeAll(file, chunk, size);
      flushing.wrote(chunk.byteLength);
      size += chunk.byteLength;
    }
    await flushing.finish();
  } finally {
    await file.close();
  }
}
