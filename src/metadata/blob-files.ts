import { statSync, unlinkSync } from 'node:fs';
import { Paths } from '../content/local/paths.ts';
import { sizeIfThere } from '../content/local/writer.ts';
import type { Digest } from '../spec/digest.ts';

/**
 * The files of blobs as the database's side sees them. An entry is made and a file is removed only inside a transaction, and
 * each looks at the other first: so no entry is made for a file that is gone, and no file goes that has an entry.
 */
export class BlobFiles {
  readonly #paths: Paths;

  constructor(contentRoot: string) {
    this.#paths = new Paths(contentRoot);
  }

  /** Bytes of a blob's file; undefined when there is none. */
  size(digest: Digest): Promise<number | undefined> {
    return sizeIfThere(this.#paths.blob(digest));
  }

  /** As {@link size}, for inside a transaction. */
  sizeNow(digest: Digest): number | undefined {
    return statSync(this.#paths.blob(digest), { throwIfNoEntry: false })?.size;
  }

  /** Removes a blob's file, inside the transaction that found it to have no entry. */
  removeNow(digest: Digest): void {
    unlinkSync(this.#paths.blob(digest));
  }
}
