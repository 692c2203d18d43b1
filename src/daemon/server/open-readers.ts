import type { Provider } from '../../content/store.ts';
import type { Digest } from '../../spec/digest.ts';
import { Pieces } from './pieces.ts';

/** A blob in a namespace. */
export interface BlobKey {
  readonly namespace: string;
  readonly digest: string;
}

interface Entry {
  readonly blob: Promise<Pieces>;
  pieces: Pieces | undefined;
  users: number;
  idleSince: number;
}

/** How many readers stay open that nobody uses, and for how long, in milliseconds. */
const idleReaders = 64;
const idleMilliseconds = 1000;

/**
 * Readers that stay open for a moment: containerd's clients before version 2.1 ask for a blob in pieces of 32 KiB, a call each.
 * That the blob is still there is to be known before; a blob of a digest has one content only.
 */
export class OpenReaders implements AsyncDisposable {
  readonly #entries = new Map<string, Entry>();
  #timer: NodeJS.Timeout | undefined;

  /** Bytes that a reader has read ahead a moment ago. */
  ahead(blob: BlobKey, offset: number, length: number): Uint8Array | undefined {
    return this.#entries.get(keyOf(blob))?.pieces?.ahead(offset, length);
  }

  /** Nothing that was read ahead of the blob is given any more. */
  forget(blob: BlobKey): void {
    this.#entries.get(keyOf(blob))?.pieces?.forget();
  }

  /** Runs with a reader of the blob. */
  async *with<T>(
    provider: Provider,
    { namespace, digest }: BlobKey & { readonly digest: Digest },
    run: (blob: Pieces) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const key = keyOf({ namespace, digest });
    const entry = this.#entries.get(key) ?? this.#open(key, provider, digest);
    entry.users += 1;
    try {
      entry.pieces ??= await entry.blob;
      yield* run(entry.pieces);
    } finally {
      entry.users -= 1;
      entry.idleSince = performance.now();
      this.#timer ??= setTimeout(() => this.#sweep(), idleMilliseconds).unref();
    }
  }

  #open(key: string, provider: Provider, digest: Digest): Entry {
    const blob = provider.reader({ digest }).then((reader) => new Pieces(reader));
    const entry: Entry = { blob, pieces: undefined, users: 0, idleSince: 0 };
    this.#entries.set(key, entry);
    entry.blob.catch(() => this.#entries.delete(key));
    return entry;
  }

  // The map is in the order of opening, so that the oldest go first when there are too many.
  #sweep(): void {
    this.#timer = undefined;
    const idle = [...this.#entries].filter(([, { users }]) => users === 0);
    const now = performance.now();
    for (const [index, [key, entry]] of idle.entries()) {
      const tooMany = idle.length - index > idleReaders;
      if (tooMany || now - entry.idleSince >= idleMilliseconds) void this.#close(key, entry);
    }
    if (this.#entries.size > 0) this.#timer = setTimeout(() => this.#sweep(), idleMilliseconds).unref();
  }

  async #close(key: string, entry: Entry): Promise<void> {
    this.#entries.delete(key);
    // Closing a file that was only read loses nothing.
    await entry.blob.then(({ reader }) => reader[Symbol.asyncDispose]()).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all([...this.#entries].map(([key, entry]) => this.#close(key, entry)));
  }
}

function keyOf({ namespace, digest }: BlobKey): string {
  return `${namespace}/${digest}`;
}
