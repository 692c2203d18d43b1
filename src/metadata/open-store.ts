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
  const { database, local } = base;
  const namespaces = new Namespaces(database, local);
  return {
    root: resolve(options.root),
    readOnly: database.readOnly,
    database,
    namespaces,
    services: (namespace) => servicesIn(parts, namespaces, namespace),
    collect: (options = {}) => parts.collect(options),
    explain: (digest) => explain(database, digest),
    usage: (namespace, image) => usage(database, namespace, image),
    backup: (path) => backupDatabase(database.path, path),
    [Symbol.asyncDispose]: () => closeParts(base),
  };
}

export type { OpenStoreOptions } from './parts.ts';

function servicesIn(parts: StoreParts, namespaces: NamespaceStore, namespace: string): Services {
  checkNamespace(namespace);
  return {
    namespace,
    content: new NamespacedContent(parts, namespace),
    images: new Images(parts, namespace),
    leases: new Leases(parts, namespace),
    events: new Events(parts.database),
    namespaces,
    async [Symbol.asyncDispose]() {},
  };
}
