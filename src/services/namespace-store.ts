import type { AbortableOptions, Labels } from '../content/store.ts';

/** A tenant of a store: it sees its own names and content and no others. */
export interface Namespace {
  readonly name: string;
  readonly labels: Labels;
}

/** What a namespace is made of. */
export interface NewNamespace {
  readonly name: string;
  readonly labels?: Labels | undefined;
}

/** The namespaces of a store. */
export interface NamespaceStore {
  /** @throws DrayError `not-found`. */
  get(name: string, options?: AbortableOptions): Promise<Namespace>;
  /** Every namespace that any filter matches (fields `name`, `labels.KEY`), by name. */
  list(...filters: string[]): AsyncIterable<Namespace>;
  /** @throws DrayError `already-exists`; `invalid-argument` for a malformed name or a label over the limit. */
  create(namespace: NewNamespace, options?: AbortableOptions): Promise<Namespace>;
  /** Changes labels by field path: `labels`, `labels.KEY`; all without a path. @throws DrayError `not-found`, `invalid-argument`. */
  update(namespace: NewNamespace, ...fieldpaths: string[]): Promise<Namespace>;
  /**
   * Removes a namespace that holds no image, no content and no open ingest any more; its leases and the ingests that nobody
   * has open go with it.
   * @throws DrayError `not-found`; `failed-precondition` that names what it still holds.
   */
  delete(name: string, options?: AbortableOptions): Promise<void>;
}
