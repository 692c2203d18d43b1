import { closeSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

const chunk = Buffer.alloc(1024 * 1024);

/**
 * Sees to it that the system has as much memory at hand as a job is going to fill with files. A virtual machine gives what is
 * free back to its host, and to get a page again takes longer than all that a tool does with it: who comes first pays for all.
 */
export async function fetchMemory(directory: string, bytes: number): Promise<void> {
  const path = join(directory, 'memory');
  const file = openSync(path, 'w');
  try {
    for (let written = 0; written < bytes; written += chunk.byteLength) writeSync(file, chunk);
  } finally {
    closeSync(file);
    await rm(path);
  }
}
