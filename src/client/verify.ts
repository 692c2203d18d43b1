import type { AbortableOptions, ContentStore } from '../content/store.ts';
import { DrayError, is } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';

/** What reading a blob found. */
export interface Verified {
  readonly digest: Digest;
  readonly size: number;
  /** What is wrong with it; undefined when nothing is. */
  readonly problem?: string | undefined;
}

/**
 * Reads blobs to their end and compares size and digest: those that are named, or all.
 * @throws DrayError `not-found` for a named blob that is not there; `permission-denied` for one that may not be read.
 */
export async function* verifyContent(
  store: ContentStore,
  digests: readonly Digest[] | undefined,
  { signal }: AbortableOptions = {},
): AsyncGenerator<Verified> {
  const all = async function* () {
    if (digests === undefined) for await (const info of store.walk()) yield info;
    else for (const digest of digests) yield await store.info(digest);
  };
  for await (const info of all())
    yield { digest: info.digest, size: info.size, problem: await problemOf(store, info, signal) };
}

async function problemOf(
  store: ContentStore,
  target: { digest: Digest; size: number },
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    await using reader = await store.reader(target, { signal });
    for await (const _ of reader.stream({ transient: true, signal }));
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    // Who may not read it knows nothing of it.
    if (is(error, 'permission-denied') || !(error instanceof DrayError)) throw error;
    return error.message;
  }
}
