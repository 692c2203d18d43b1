import { randomUUID } from 'node:crypto';
import { readBlob } from '../content/copy.ts';
import type { AbortableOptions, ContentStore, Writer } from '../content/store.ts';
import { because, is, withContext } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';
import { type ArchiveFile, type Catalog, type CatalogOptions, readCatalog } from './catalog.ts';
import type { Entries } from './entries.ts';
import { digestOfName, entryName } from './entry-name.ts';
import type { TarEntry } from './tar-reader.ts';

/** What happens to one file of an archive while it is taken in. Offsets and sizes are bytes. */
export interface TakeInEvent {
  /** The name of the entry. */
  readonly entry: string;
  /** `active` while its bytes arrive; `stored` or `exists` at the end. */
  readonly state: 'active' | 'stored' | 'exists';
  readonly digest?: Digest | undefined;
  readonly offset: number;
  readonly size: number;
}

/** How files are taken in. */
export interface TakeInOptions extends CatalogOptions {
  /** Holds what is stored until somebody names it. */
  readonly lease?: string | undefined;
  readonly onEvent?: ((event: TakeInEvent) => void) | undefined;
}

/**
 * Stores every file of an archive in one pass, whatever it turns out to be, and says what was where. A file below `blobs/`
 * has to have the digest in its name; one that the store has already is not read. Nothing half-stored is left behind by a
 * failure.
 * @throws DrayError as {@link Entries} does; `failed-precondition`, reason `digest-mismatch`; what the store throws.
 */
export async function takeIn(content: ContentStore, entries: Entries, options: TakeInOptions = {}): Promise<Catalog> {
  const commits = new Commits();
  try {
    const catalog = await readCatalog(entries, (entry, name) => store(content, entry, name, commits, options), options);
    await commits.settled();
    return catalog;
  } catch (error) {
    await commits.settled().catch(() => {});
    throw error;
  }
}

/** A file that the store has. */
class StoredFile implements ArchiveFile {
  readonly size: number;
  readonly #content: ContentStore;
  readonly #digest: Digest;

  constructor(content: ContentStore, digest: Digest, size: number) {
    this.#content = content;
    this.#digest = digest;
    this.size = size;
  }

  async digest(): Promise<Digest> {
    return this.#digest;
  }

  open(): AsyncIterable<Uint8Array> {
    return readBlob(this.#content, { mediaType: '', digest: this.#digest, size: this.size });
  }
}

async function store(
  content: ContentStore,
  entry: TarEntry,
  name: string,
  commits: Commits,
  options: TakeInOptions,
): Promise<ArchiveFile> {
  const { size } = entry;
  const report = (state: TakeInEvent['state'], offset: number, digest = digestOfName(name)): void =>
    options.onEvent?.({ entry: name, state, digest, offset, size });
  // A flush takes longer than the bytes of a small file, so some go on while the next files arrive.
  await commits.room(commitsAtOnce);
  const opened = await openWriter(content, name, size, options);
  if ('existing' in opened) {
    report('exists', size);
    return new StoredFile(content, opened.existing, size);
  }
  const found = await write(content, opened.writer, entry, report, options);
  const digest = digestOfName(name) ?? found;
  const committed = commit(content, opened.writer, name, { size, digest, signal: options.signal });
  commits.add(committed, () => report('stored', size, digest));
  return new StoredFile(content, digest, size);
}

const commitsAtOnce = 8;

type Opened = { readonly writer: Writer } | { readonly existing: Digest };

/** An ingest under a ref that a later attempt finds again; under one of its own while somebody else holds that. */
async function openWriter(
  content: ContentStore,
  name: string,
  size: number,
  { lease, signal }: TakeInOptions,
): Promise<Opened> {
  const digest = digestOfName(name);
  const ref = `import-${digest ?? name}`;
  const target = digest === undefined ? undefined : { digest, size };
  try {
    return { writer: await content.writer({ ref, target, lease, signal }) };
  } catch (error) {
    if (is(error, 'already-exists') && digest !== undefined) return { existing: digest };
    if (!because(error, 'locked')) throw error;
    return { writer: await content.writer({ ref: `${ref}-${randomUUID()}`, target, lease, signal }) };
  }
}

async function write(
  content: ContentStore,
  writer: Writer,
  entry: TarEntry,
  report: (state: 'active', offset: number) => void,
  options: AbortableOptions,
): Promise<Digest> {
  try {
    if (await isWhole(writer, entry)) return await writer.digest();
    // What else an earlier attempt left cannot be compared with bytes that come only once.
    if ((await writer.status()).offset > 0) await writer.truncate(0);
    let offset = 0;
    report('active', offset);
    for await (const chunk of entry.body()) {
      await writer.write(chunk, options);
      offset += chunk.byteLength;
      report('active', offset);
    }
    return await writer.digest();
  } catch (error) {
    await discard(content, writer);
    throw error;
  }
}

async function isWhole(writer: Writer, { name, size }: TarEntry): Promise<boolean> {
  const { offset } = await writer.status();
  return offset === size && (await writer.digest()) === digestOfName(entryName(name));
}

async function commit(
  content: ContentStore,
  writer: Writer,
  name: string,
  expected: { size: number; digest: Digest; signal: AbortSignal | undefined },
): Promise<void> {
  try {
    await writer.commit(expected);
  } catch (error) {
    if (is(error, 'already-exists')) return;
    await discard(content, writer);
    if (expected.signal?.aborted && error === expected.signal.reason) throw error;
    throw withContext(error, { side: because(error, 'digest-mismatch') ? 'source' : 'store', path: name });
  }
}

async function discard(content: ContentStore, writer: Writer): Promise<void> {
  await writer[Symbol.asyncDispose]();
  // The failure that led here is the one to tell.
  await content.abort(writer.ref).catch(() => {});
}

/** Commits that are under way. The first failure is thrown at the next step. */
class Commits {
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  add(commit: Promise<void>, done: () => void): void {
    const settled = commit.then(done).catch((error: unknown) => {
      this.#failure ??= { error };
    });
    const tracked = settled.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  /** Waits until fewer than `count` are under way. */
  async room(count: number): Promise<void> {
    while (this.#running.size >= count) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
