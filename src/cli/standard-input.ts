import { fstatSync, read } from 'node:fs';
import { promisify } from 'node:util';

const readInto = promisify(read);
const chunkSize = 1024 * 1024;

/**
 * What comes on stdin. A chunk is good until the next one is asked for. Whoever takes it disposes of it, since an input that nobody
 * reads to its end would keep the process alive.
 */
export function standardInput(): AsyncIterable<Uint8Array> & Disposable {
  const isFile = fstatSync(0).isFile();
  return {
    [Symbol.asyncIterator]: () => (isFile ? chunksOfFile() : process.stdin[Symbol.asyncIterator]()),
    [Symbol.dispose]: () => void (isFile || process.stdin.destroy()),
  };
}

// A stream would make a buffer for every 64 KiB, and collecting those takes longer than reading.
async function* chunksOfFile(): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(chunkSize);
  for (;;) {
    const { bytesRead } = await readInto(0, buffer, 0, chunkSize, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
