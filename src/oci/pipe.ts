import { constants, createReadStream, createWriteStream, open, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { unlessAborted } from '../content/abort.ts';
import type { AbortableOptions } from '../content/store.ts';
import { whenFree } from '../content/when-free.ts';
import { codeOf, DrayError } from '../errors.ts';

const openDescriptor = promisify(open);

/** Whether there is something that is neither a plain file nor a directory: a pipe, a terminal, another device. */
export function isPipeOrDevice(found: Stats | undefined): boolean {
  return found !== undefined && !found.isFile() && !found.isDirectory();
}

/**
 * What comes out of a pipe or a device. Whoever takes it reads it to its end or destroys it.
 * @throws what the system has.
 */
export async function readPipe(path: string, found: Stats): Promise<Readable> {
  // Opened in the usual way a pipe waits for its writer in a thread that nothing can call back, and that keeps the process from
  // its end. Without waiting, macOS tells of an end before there was a writer.
  if (process.platform === 'linux' && found.isFIFO()) {
    const descriptor = await openDescriptor(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return new Socket({ fd: descriptor, readable: true, writable: false });
  }
  return createReadStream(path, { highWaterMark: 1024 * 1024 });
}

/**
 * Writes a stream into a pipe or a device, no faster than it is taken there. Each chunk is written before the next one is asked
 * for.
 * @throws DrayError `aborted` when whoever reads leaves before the end; what the stream and the system throw, and the reason of
 * the signal, also while a pipe has no reader yet.
 */
export async function writePipe(
  path: string,
  found: Stats,
  stream: AsyncIterable<Uint8Array>,
  { signal }: AbortableOptions = {},
): Promise<void> {
  const output = found.isFIFO() ? await openForReader(path, signal) : createWriteStream(path);
  // Whoever writes is told as well.
  output.on('error', () => {});
  try {
    for await (const chunk of stream) {
      signal?.throwIfAborted();
      await unlessAborted(written(output, chunk), signal).catch((error: unknown) => {
        throw codeOf(error) === 'EPIPE' ? readerLeft(path, error) : error;
      });
    }
    await unlessAborted(new Promise<void>((resolve) => output.end(() => resolve())), signal);
  } finally {
    output.destroy();
  }
}

// As a pipe to read from: a thread must not wait in it.
async function openForReader(path: string, signal: AbortSignal | undefined): Promise<Writable> {
  const attempt = (): Promise<number> => openDescriptor(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const descriptor = await whenFree(attempt, { isTaken: isWithoutReader, longestPause: 100, signal });
  return new Socket({ fd: descriptor, readable: false, writable: true });
}

function isWithoutReader(error: unknown): boolean {
  return codeOf(error) === 'ENXIO';
}

function written(output: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

function readerLeft(path: string, cause: unknown): DrayError {
  return new DrayError('aborted', 'whoever reads the archive left before its end', {
    side: 'target',
    path,
    hint: 'see what that program has to say',
    cause,
  });
}
