import { dirname, join } from 'node:path';
import { streamOf } from '../content/bytes.ts';
import { type OpenBlob, onceMoreIfWrong, type PushOutcome } from '../content/copy.ts';
import { Durability, type DurabilityLevel } from '../content/local/durable.ts';
import { replace } from '../content/local/replace.ts';
import { writeNewFile } from '../content/local/write-file.ts';
import type { AbortableOptions, Provider } from '../content/store.ts';
import { sizeMismatch, verified } from '../content/verified.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { parseDigest } from '../spec/digest.ts';
import { fileFailure } from './archive-error.ts';
import { readAhead } from './byte-source.ts';
import { nameOfDigest } from './entry-name.ts';
import { isFileOf, readDocumentFile, type Sharing, shareFile } from './layout-files.ts';
import { mergeIndex } from './layout-index.ts';
import { withLock } from './layout-lock.ts';
import { checkLayout, encodeLayout } from './layout-version.ts';

/** Options of {@link LayoutWriter}. */
export interface LayoutWriterOptions {
  /** `full` if not said: what was put and listed survives a power cut. */
  readonly durability?: DurabilityLevel | undefined;
}

/** Less what the umask takes away: a layout is for others too. */
const modeForAll = 0o777;

/**
 * Writes an image layout that others may read and write at the same time. A blob comes under its name in one step, verified;
 * `index.json` is changed under a lock and replaced in one step. Nothing is removed.
 */
export class LayoutWriter {
  readonly #directory: string;
  readonly #durability: Durability;
  /** Directories with blobs whose names may not be flushed. */
  readonly #unflushed = new Set<string>();
  #begun: Promise<void> | undefined;

  constructor(directory: string, { durability = 'full' }: LayoutWriterOptions = {}) {
    this.#directory = directory;
    this.#durability = new Durability(durability);
  }

  /** Makes the layout if there is none. @throws DrayError `invalid-argument`, reason `bad-archive`, for another version. */
  async begin(): Promise<void> {
    this.#begun ??= this.#guard(async () => {
      await this.#durability.makeDirectory(join(this.#directory, 'blobs'), modeForAll);
      const layout = await readDocumentFile(join(this.#directory, 'oci-layout'));
      checkLayout(layout);
      if (layout === undefined) await this.#replaceDocument('oci-layout', encodeLayout());
    });
    await this.#begun;
  }

  /** Brings in one blob, unless it is there. @throws DrayError `data-loss` when the bytes are not those of the target. */
  async put(target: Descriptor, openBlob: OpenBlob, options: AbortableOptions = {}): Promise<PushOutcome> {
    return await onceMoreIfWrong((distrust) => {
      const open = (): AsyncIterable<Uint8Array> => readAhead(verified(openBlob(0, { distrust }), target));
      return this.#place(target, (path) => this.#write(path, open(), options));
    });
  }

  /**
   * Brings in one blob of a store, unless it is there, without copying its bytes where that can be done. They are read and
   * verified all the same.
   * @throws DrayError as {@link put} and the store do.
   */
  async putFrom(
    source: Provider,
    target: Descriptor,
    sharing: Sharing | undefined,
    options: AbortableOptions = {},
  ): Promise<PushOutcome> {
    return await this.#place(target, async (path) => {
      await using reader = await source.reader(target, options);
      if (reader.size !== target.size) throw sizeMismatch(target.digest, target.size, reader.size, false);
      const isShared =
        sharing !== undefined && reader.path !== undefined && (await shareFile(reader.path, path, sharing));
      const stream = reader.stream({ transient: true, signal: options.signal });
      if (!isShared) await this.#write(path, stream, options);
      else {
        for await (const _ of stream) options.signal?.throwIfAborted();
        await this.#durability.closedFile(path);
      }
    });
  }

  #write(path: string, stream: AsyncIterable<Uint8Array>, { signal }: AbortableOptions): Promise<void> {
    return writeNewFile(path, stream, { durability: this.#durability, mode: 0o644, signal });
  }

  // What has the name and is not a file of the right size, a link for example, is replaced.
  async #place(target: Descriptor, make: (temporary: string) => Promise<void>): Promise<PushOutcome> {
    await this.begin();
    const path = join(this.#directory, nameOfDigest(parseDigest(target.digest)));
    const isThere = (): Promise<boolean> => isFileOf(path, target.size);
    const existed = await isThere();
    if (!existed)
      await this.#guard(async () => {
        await this.#durability.makeDirectory(dirname(path), modeForAll);
        await replace(path, make, undefined, { isThere });
      });
    // One that is there as well: whoever brought it may have been killed before that.
    this.#unflushed.add(dirname(path));
    return existed ? 'exists' : 'pushed';
  }

  /** Lists objects in `index.json`, as {@link mergeIndex} does, once what was put is flushed. @throws the signal's reason while waiting for the lock. */
  async list(entries: readonly Descriptor[], options: AbortableOptions = {}): Promise<void> {
    await this.begin();
    await this.#guard(() => this.#flushNames());
    const change = async (): Promise<void> => {
      const bytes = await readDocumentFile(join(this.#directory, 'index.json'));
      const merged = mergeIndex(bytes, entries);
      if (bytes !== undefined && Buffer.compare(bytes, merged) === 0) await this.#durability.directory(this.#directory);
      else await this.#replaceDocument('index.json', merged);
    };
    await withLock(this.#directory, () => this.#guard(change), options);
  }

  // Taken out first, so that what is put meanwhile is flushed as well.
  async #flushNames(): Promise<void> {
    for (const directory of this.#unflushed) {
      this.#unflushed.delete(directory);
      await this.#durability.directory(directory);
    }
  }

  async #replaceDocument(name: string, bytes: Uint8Array): Promise<void> {
    await replace(join(this.#directory, name), (path) => this.#write(path, streamOf(bytes), {}), this.#durability);
  }

  async #guard<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw fileFailure(error, 'target', this.#directory);
    }
  }
}
