import { collect } from '../content/documents.ts';
import type { AbortableOptions } from '../content/store.ts';
import type { Digest } from '../spec/digest.ts';
import { badArchive, shown, tooMuch } from './archive-error.ts';
import type { Entries } from './entries.ts';
import { digestOfName, entryName, linkTarget } from './entry-name.ts';
import type { TarEntry } from './tar-reader.ts';

/** A file of an archive, as long as the archive is at hand. */
export interface ArchiveFile {
  /** Bytes. */
  readonly size: number;
  /** The digest of its bytes, computed if nobody did. */
  digest(): Promise<Digest>;
  /** Its bytes from an offset on. */
  open(offset?: number): AsyncIterable<Uint8Array>;
}

/** The documents that say what an archive holds. They are kept whole, the other files are not. */
const documentNames: readonly string[] = ['oci-layout', 'index.json', 'manifest.json', 'repositories'];

/** The most entries an archive may have. */
export const entryLimit = 100_000;

/** The most bytes that the names of all entries may have together. */
export const nameLimit: number = 16 * 1024 * 1024;

/**
 * What an archive holds, by name. A name that comes twice has to mean the same both times: of two different ones, some
 * programs take the first and some the last.
 */
export class Catalog {
  readonly #files = new Map<string, ArchiveFile>();
  readonly #links = new Map<string, string>();
  readonly #documents = new Map<string, Uint8Array>();
  #entries = 0;
  #nameBytes = 0;

  /** Counts an entry of any kind. @throws DrayError `resource-exhausted`, reason `bad-archive`, over a limit. */
  count(name: string): void {
    this.#entries += 1;
    this.#nameBytes += Buffer.byteLength(name);
    if (this.#entries > entryLimit) throw tooMuch(`more than ${entryLimit} entries`);
    if (this.#nameBytes > nameLimit) throw tooMuch(`names of more than ${nameLimit} bytes in all`);
  }

  /** @throws DrayError `invalid-argument`, reason `bad-archive`, when the name is taken by something else. */
  async addFile(name: string, file: ArchiveFile): Promise<void> {
    const known = this.#files.get(name);
    if (known !== undefined && (await known.digest()) !== (await file.digest())) throw twice(name);
    if (this.#links.has(name)) throw twice(name);
    this.#files.set(name, file);
  }

  /** @throws DrayError as {@link addFile} does. */
  addLink(name: string, written: string, kind: 'symlink' | 'hardlink'): void {
    const target = `${kind} ${written}`;
    if (this.#files.has(name) || (this.#links.get(name) ?? target) !== target) throw twice(name);
    this.#links.set(name, target);
  }

  /** @throws DrayError as {@link addFile} does. */
  addDocument(name: string, bytes: Uint8Array): void {
    const known = this.#documents.get(name);
    if (known !== undefined && Buffer.compare(known, bytes) !== 0) throw twice(name);
    this.#documents.set(name, bytes);
  }

  files(): Iterable<ArchiveFile> {
    return this.#files.values();
  }

  document(name: string): Uint8Array | undefined {
    return this.#documents.get(name);
  }

  /**
   * The file of a name, however many links are on the way; undefined when there is none.
   * @throws DrayError `invalid-argument`, reason `bad-archive`, for links in a circle or out of the archive.
   */
  file(name: string): ArchiveFile | undefined {
    const way = new Set<string>();
    let at = name;
    for (let link = this.#links.get(at); link !== undefined; link = this.#links.get(at)) {
      if (way.has(at)) throw badArchive(`link ${shown(name)} leads in a circle`);
      way.add(at);
      const space = link.indexOf(' ');
      at = linkTarget(at, link.slice(space + 1), link.slice(0, space) as 'symlink' | 'hardlink');
    }
    // A long way is gone once, and not again for each layer that begins somewhere on it.
    for (const link of way) this.#links.set(link, `hardlink ${at}`);
    return this.#files.get(at);
  }
}

/** How entries are read. */
export interface CatalogOptions extends AbortableOptions {
  /** The most bytes a document may have. */
  readonly documentLimit?: number | undefined;
}

/**
 * Goes through an archive once. `keep` is given each file that may be a blob and has to be done with its bytes when it
 * returns.
 * @throws DrayError as the entries and `keep` do; `invalid-argument`, reason `bad-archive`, for entries that leave the archive
 * or contradict each other; `resource-exhausted`, reason `bad-archive`, for too many.
 */
export async function readCatalog(
  entries: Entries,
  keep: (entry: TarEntry, name: string) => Promise<ArchiveFile>,
  { documentLimit, signal }: CatalogOptions = {},
): Promise<Catalog> {
  const catalog = new Catalog();
  for await (const entry of entries) {
    signal?.throwIfAborted();
    const name = entryName(entry.name);
    catalog.count(name);
    if (entry.kind === 'symlink' || entry.kind === 'hardlink') catalog.addLink(name, entry.linkName, entry.kind);
    if (entry.kind !== 'file') continue;
    if (documentNames.includes(name)) catalog.addDocument(name, await collect(entry.body(), documentLimit));
    else if (!name.startsWith('blobs/') || digestOfName(name) !== undefined)
      await catalog.addFile(name, await keep(entry, name));
  }
  return catalog;
}

function twice(name: string): ReturnType<typeof badArchive> {
  return badArchive(`entry ${shown(name)} is there twice and differs`);
}
