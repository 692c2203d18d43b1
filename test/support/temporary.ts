import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory of its own for one test; gone when it is disposed. */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
  join(...parts: string[]): string;
}

export async function temporaryDirectory(parent: string = tmpdir()): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(parent, 'dray-test-'));
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
