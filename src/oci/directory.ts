import { join } from 'node:path';
import { streamOf } from '../content/bytes.ts';
import type { FetchOptions } from '../content/copy.ts';
import { readFileRange } from '../content/local/read-file.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { digestOf, encodedOf, parseDigest } from '../spec/digest.ts';
import { detectMediaType } from '../spec/documents.ts';
import { digestedBytes } from '../spec/schema1.ts';
import { incomplete } from './archive-error.ts';
import type { PlaceSource } from './layout.ts';
import { openPlainFile, readDocumentFile } from './layout-files.ts';

/**
 * The image in a directory as skopeo's `dir:` writes one, as a source of copies: `manifest.json`, every blob under the bare hex
 * of its digest, further manifests as `HEX.manifest.json`. What it reads may change while it reads; whoever takes a blob
 * verifies it.
 */
export class DirectoryPlace {
  readonly kind = 'layout';
  readonly name: string;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.name = `dir:${directory}`;
  }

  /** @throws DrayError `not-found` when there is no manifest; `invalid-argument`, reason `bad-document` or `bad-archive`. */
  async source({ signal }: AbortableOptions = {}): Promise<PlaceSource> {
    signal?.throwIfAborted();
    const bytes = await readDocumentFile(join(this.#directory, 'manifest.json'));
    if (bytes === undefined) throw noImage(this.#directory);
    const mediaType = detectMediaType(bytes);
    const root = { mediaType, digest: digestOf(digestedBytes(mediaType, bytes)), size: bytes.byteLength };
    return {
      root,
      name: this.name,
      fetcher: {
        fetch: async (target, options = {}) =>
          target.digest === root.digest ? streamOf(bytes.subarray(options.offset)) : this.#read(target, options),
      },
      async [Symbol.asyncDispose]() {},
    };
  }

  /** @throws DrayError `not-implemented`: only skopeo's own kin reads such directories. */
  async target(): Promise<never> {
    throw new DrayError('not-implemented', 'dir: is read only', {
      side: 'target',
      hint: 'write an image layout: oci:DIR',
    });
  }

  async *#read({ digest }: Descriptor, options: FetchOptions): AsyncGenerator<Uint8Array> {
    const hex = encodedOf(parseDigest(digest));
    const path = join(this.#directory, hex);
    const handle = (await openPlainFile(path)) ?? (await openPlainFile(`${path}.manifest.json`));
    if (handle === undefined) throw incomplete(`${digest} is not in ${this.#directory}`);
    try {
      yield* readFileRange(handle, options);
    } finally {
      await handle.close();
    }
  }
}

function noImage(directory: string): DrayError {
  return new DrayError('not-found', `no image at ${directory}`, {
    side: 'source',
    path: directory,
    hint: 'a directory of skopeo has manifest.json in it; a layout, which has index.json, is oci:DIR',
  });
}
