/** Something that is wrong with a store. */
export interface Finding {
  /**
   * `damaged-database`: it cannot be read as a whole; mended by setting it aside and keeping what can be read. That of who
   * writes which ingest starts anew.
   * `exposed`: others may look into the store; mended by taking that from them.
   * `missing-blob`: an entry without a file of its size; mended by removing the entry, so that nothing counts on it.
   * `damaged-blob`: bytes that are not those of the digest; mended by removing file and entries.
   * `missing-target`: an image whose target is not there; pull it.
   * `dangling-file`: a blob that no namespace has; mended by removing it, as the next collection would.
   * `foreign-file`: a file that the store has not made; left alone.
   * `broken-ingest`: one that nobody can go on with; mended by removing it.
   */
  readonly problem:
    | 'damaged-database'
    | 'exposed'
    | 'missing-blob'
    | 'damaged-blob'
    | 'missing-target'
    | 'dangling-file'
    | 'foreign-file'
    | 'broken-ingest';
  readonly namespace?: string | undefined;
  /** The digest, name, key or path it is about. */
  readonly subject: string;
  /** What there is to know besides. */
  readonly detail?: string | undefined;
  readonly repaired: boolean;
}
