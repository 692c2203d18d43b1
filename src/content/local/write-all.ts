import type { FileHandle } from 'node:fs/promises';

/** Writes all of the bytes at a position of a file, in one call where the system takes them. @throws what the system has. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, position + done);
    done += bytesWritten;
  }
}
