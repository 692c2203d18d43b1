import { randomUUID } from 'node:crypto';
import { streamOf } from '../content/bytes.ts';
import { readBlob } from '../content/copy.ts';
import { collect } from '../content/documents.ts';
import type { ContentStore, Writer } from '../content/store.ts';
import { because, DrayError, is, withContext } from '../errors.ts';
import { type Digest, digestOf } from '../spec/digest.ts';
import { shown } from './archive-error.ts';
import { type ArchiveFile, type Catalog, type CatalogOptions, readCatalog } from './catalog.ts';
import type { Entries } from './entries.ts';
import { digestOfName } from './entry-name.ts';
import type { TarEntry } from './tar-reader.ts';
import { Tasks } from './tasks.ts';

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
  const intake = new Intake(content, options);
  try {
    const catalog = await readCatalog(entries, (entry, name) => intake.take(entry, name), options);
    await intake.settled();
    return catalog;
  } catch (error) {
    await intake.settled().catch(() => {});
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

/** Files up to this size are read into memory and stored while the next ones are read; in bytes. */
const smallSize = 64 * 1024;

/** Flushing takes longer than reading, so some files are on their way to the disk while others arrive. */
const tasksAtOnce = 8;

/** A file that is being stored. The digest is known if its name says it or its bytes are at hand. */
interface Arrival {
  readonly name: string;
  readonly size: number;
  readonly digest: Digest | undefined;
  body(): AsyncIterable<Uint8Array>;
}

type Opened = { readonly writer: Writer } | { readonly existing: Digest };

class Intake {
  readonly #content: ContentStore;
  readonly #options: TakeInOptions;
  readonly #tasks = new Tasks(tasksAtOnce);

  constructor(content: ContentStore, options: TakeInOptions) {
    this.#content = content;
    this.#options = options;
  }

  settled(): Promise<void> {
    return this.#tasks.settled();
  }

  async take(entry: TarEntry, name: string): Promise<ArchiveFile> {
    const { size } = entry;
    if (size > smallSize) return await this.#takeLarge({ name, size, digest: digestOfName(name), body: entry.body });
    // The memory of what is read is used again for the next entry.
    const bytes = Buffer.from(await collect(entry.body(), smallSize));
    const digest = digestOfName(name) ?? digestOf(bytes);
    await this.#tasks.start(async () => {
      const arrival = { name, size, digest, body: () => streamOf(bytes) };
      const opened = await this.#open(arrival);
      if ('existing' in opened) return this.#report(arrival, 'exists', size, digest);
      await this.#write(opened.writer, arrival);
      await this.#commit(opened.writer, arrival, digest);
    });
    return new StoredFile(this.#content, digest, size);
  }

  async #takeLarge(arrival: Arrival): Promise<ArchiveFile> {
    const { size } = arrival;
    const opened = await this.#open(arrival);
    if ('existing' in opened) {
      this.#report(arrival, 'exists', size, opened.existing);
      return new StoredFile(this.#content, opened.existing, size);
    }
    const found = await this.#write(opened.writer, arrival);
    const digest = arrival.digest ?? found;
    await this.#tasks.start(() => this.#commit(opened.writer, arrival, digest));
    return new StoredFile(this.#content, digest, size);
  }

  /** An ingest under a ref that a later attempt finds again; under one of its own while somebody else holds that. */
  async #open(arrival: Arrival): Promise<Opened> {
    const ref = `import-${arrival.digest ?? arrival.name}`;
    try {
      return await this.#openAs(ref, arrival);
    } catch (error) {
      if (!because(error, 'locked')) throw error;
      return await this.#openAs(`${ref}-${randomUUID()}`, arrival);
    }
  }

  async #openAs(ref: string, { size, digest }: Arrival): Promise<Opened> {
    const { lease, signal } = this.#options;
    const target = digest === undefined ? undefined : { digest, size };
    try {
      return { writer: await this.#content.writer({ ref, target, lease, signal }) };
    } catch (error) {
      if (is(error, 'already-exists') && digest !== undefined) return { existing: digest };
      throw error;
    }
  }

  async #write(writer: Writer, arrival: Arrival): Promise<Digest> {
    try {
      if (await isWhole(writer, arrival)) return await writer.digest();
      // What else an earlier attempt left cannot be compared with bytes that come only once.
      if ((await writer.status()).offset > 0) await writer.truncate(0);
      let offset = 0;
      this.#report(arrival, 'active', offset, arrival.digest);
      for await (const chunk of arrival.body()) {
        await writer.write(chunk, this.#options);
        offset += chunk.byteLength;
        this.#report(arrival, 'active', offset, arrival.digest);
      }
      return await writer.digest();
    } catch (error) {
      await this.#discard(writer);
      throw error;
    }
  }

  async #commit(writer: Writer, arrival: Arrival, digest: Digest): Promise<void> {
    const { signal } = this.#options;
    try {
      await writer.commit({ size: arrival.size, digest, signal });
    } catch (error) {
      if (!is(error, 'already-exists')) {
        await this.#discard(writer);
        if (signal?.aborted && error === signal.reason) throw error;
        throw because(error, 'digest-mismatch')
          ? wrongDigest(arrival.name, error)
          : withContext(error, { side: 'store', path: arrival.name });
      }
    }
    this.#report(arrival, 'stored', arrival.size, digest);
  }

  async #discard(writer: Writer): Promise<void> {
    // The failure that led here is the one to tell: on a full disk, for example, all of this fails as well.
    const drop = async (): Promise<void> => {
      await writer[Symbol.asyncDispose]();
      await this.#content.abort(writer.ref);
    };
    await drop().catch(() => {});
  }

  #report({ name, size }: Arrival, state: TakeInEvent['state'], offset: number, digest: Digest | undefined): void {
    this.#options.onEvent?.({ entry: name, state, digest, offset, size });
  }
}

// What the store says of its ingest helps nobody who has an archive.
function wrongDigest(name: string, cause: unknown): DrayError {
  return new DrayError('failed-precondition', `entry ${shown(name)} does not have the digest in its name`, {
    reason: 'digest-mismatch',
    side: 'source',
    hint: 'it was damaged on its way or put together wrongly: get it again, or make it again',
    cause,
  });
}

async function isWhole(writer: Writer, { size, digest }: Arrival): Promise<boolean> {
  const { offset } = await writer.status();
  return size > 0 && offset === size && (await writer.digest()) === digest;
}
