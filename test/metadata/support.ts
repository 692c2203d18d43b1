import { join } from 'node:path';
import type { ContentStore, Info } from '../../src/content/store.ts';
import { type OpenStoreOptions, openStore, type Store } from '../../src/metadata/open-store.ts';
import type { Services } from '../../src/services/services.ts';
import { algorithmOf, type Digest, encodedOf } from '../../src/spec/digest.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** A store in a directory of its own; both gone when it is disposed. */
export interface TemporaryStore extends AsyncDisposable {
  readonly root: string;
  readonly store: Store;
  /** The namespace `default` of it. */
  readonly services: Services;
}

export async function temporaryStore(options: Partial<OpenStoreOptions> = {}): Promise<TemporaryStore> {
  const directory = await temporaryDirectory();
  const root = directory.join('store');
  const store = await openStore({ root, ...options });
  return {
    root,
    store,
    services: store.services('default'),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Commits bytes under a ref. */
export async function put(
  content: ContentStore,
  ref: string,
  bytes: Uint8Array | string,
  options: { labels?: Record<string, string>; digest?: Digest; lease?: string } = {},
): Promise<Info> {
  await using writer = await content.writer({ ref, lease: options.lease });
  await writer.write(Buffer.from(bytes));
  return await writer.commit({ labels: options.labels, digest: options.digest });
}

/** Where the file of a blob is. */
export function blobFile(root: string, digest: Digest): string {
  return join(root, 'content', 'blobs', algorithmOf(digest), encodedOf(digest));
}

export { readAll } from '../../src/testing/content-store/blobs.ts';
