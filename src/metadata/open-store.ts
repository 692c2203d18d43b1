import { resolve } from 'node:path';
import pLimit from 'p-limit';
import type { NamespaceStore } from '../services/namespace-store.ts';
import type { Services } from '../services/services.ts';
import type { Digest } from '../spec/digest.ts';
import { checkNamespace } from '../spec/namespace-name.ts';
import { backupDatabase } from './backup.ts';
import { collect } from './collect.ts';
import type { CollectOptions, CollectSummary } from './collection.ts';
import { NamespacedContent } from './content.ts';
import type { Database } from './database.ts';
import { Events } from './events.ts';
import { type Chain, explain } from './explain.ts';
import { Images } from './images.ts';
import { Leases } from './leases.ts';
import { Namespaces } from './namespaces.ts';
import { closeParts, type OpenStoreOptions, openParts, type StoreParts } from './parts.ts';
import { type Usage, usage } from './usage.ts';

/** A store in a directory, shared by any number of processes. Whoever opened it closes it, after its writers and readers. */
export interface Store extends AsyncDisposable {
  /** The directory, as an absolute path. */
  readonly root: string;
  /** Whether its file system was mounted read-only when it was opened: then everything can be read, and every change fails. */
  readonly readOnly: boolean;
  /** What changes go through; for a layer above that keeps tables of its own beside these. */
  readonly database: Database;
  readonly namespaces: NamespaceStore;
  /**
   * One namespace of it, which need not exist yet. Disposing of the view does not close the store.
   * @throws DrayError `invalid-argument` for a malformed name.
   */
  services(namespace: string): Services;
  /** Removes what nothing needs; see {@link collect}. */
  collect(options?: CollectOptions): Promise<CollectSummary>;
  /** Why a blob is kept, in whatever namespace; nothing when the next collection takes it. See {@link explain}. */
  explain(digest: Digest): AsyncIterable<Chain>;
  /** What an image takes on disk; see {@link usage}. */
  usage(namespace: string, image: string): Promise<Usage>;
  /** Copies the database to a new file while it is in use; see {@link backupDatabase}. */
  backup(path: string): Promise<void>;
}

/**
 * Opens the store in a directory: blobs and ingests in `content/`, all else in `metadata.db`.
 * @throws DrayError `failed-precondition` when a newer dray has used it; `data-loss` when the database is damaged;
 * `invalid-argument` when there can be no directory at the root; `permission-denied`; `resource-exhausted`; `unavailable`, reason `locked`.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const base = await openParts(options);
  // One at a time: they share their temporary tables.
  const turn = pLimit(1);
  const parts: StoreParts = { ...base, collect: (options) => turn(() => collect(base, options)) };
  return new DirectoryStore(resolve(options.root), parts);
}

export type { OpenStoreOptions } from './parts.ts';

class DirectoryStore implements Store {
  readonly root: string;
  readonly namespaces: NamespaceStore;
  readonly #parts: StoreParts;

  constructor(root: string, parts: StoreParts) {
    this.root = root;
    this.#parts = parts;
    this.namespaces = new Namespaces(parts.database, parts.local);
  }

  get database(): Database {
    return this.#parts.database;
  }

  get readOnly(): boolean {
    return this.#parts.database.readOnly;
  }

  services(namespace: string): Services {
    checkNamespace(namespace);
    return {
      namespace,
      content: new NamespacedContent(this.#parts, namespace),
      images: new Images(this.#parts, namespace),
      leases: new Leases(this.#parts, namespace),
      events: new Events(this.#parts.database),
      namespaces: this.namespaces,
      async [Symbol.asyncDispose]() {},
    };
  }

  collect(options: CollectOptions = {}): Promise<CollectSummary> {
    return this.#parts.collect(options);
  }

  explain(digest: Digest): AsyncIterable<Chain> {
    return explain(this.database, digest);
  }

  usage(namespace: string, image: string): Promise<Usage> {
    return usage(this.database, namespace, image);
  }

  backup(path: string): Promise<void> {
    return backupDatabase(this.database.path, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeParts(this.#parts);
  }
}
