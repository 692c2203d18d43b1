import type { Digest } from '../spec/digest.ts';
import type { Timestamp } from '../spec/timestamp.ts';

/**
 * What a content store is. Bytes enter through an ingest, named by a `ref` that the caller chooses, and become a blob,
 * named by its digest, when the ingest is committed. Until then they can be looked at (`status`), continued by any process
 * (`writer` with the same ref) or thrown away (`abort`). Committed blobs never change.
 *
 * Every interface here is as small as its callers allow; ask for the smallest that serves. The exported suite
 * `contentStoreSuite` of `dray/testing` is the contract in executable form.
 */

/** Options of everything that can be given up. Rejects with the signal's reason; what has been stored stays resumable. */
export interface AbortableOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Labels of an object: UTF-8 text to UTF-8 text, at most 4096 bytes for a key with its value. */
export type Labels = Readonly<Record<string, string>>;

/** What is asked for: a descriptor, or as much of one as is known. A size of 0 or none is not checked. */
export interface Target {
  readonly digest: Digest;
  readonly size?: number | undefined;
}

/** A committed blob. Sizes are bytes. */
export interface Info {
  readonly digest: Digest;
  readonly size: number;
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
  readonly labels: Labels;
}

/** An ingest. */
export interface Status {
  readonly ref: string;
  /** Bytes that are there. */
  readonly offset: number;
  /** Bytes that are expected, when that was said. */
  readonly total?: number | undefined;
  /** The digest that is expected, when that was said and the store keeps it. */
  readonly expected?: Digest | undefined;
  readonly startedAt: Timestamp;
  readonly updatedAt: Timestamp;
  /** Whether a writer has it open, in whatever process; undefined where the store cannot know. */
  readonly active?: boolean | undefined;
}

/** An open blob. Whoever opened it closes it. */
export interface BlobReader extends AsyncDisposable {
  readonly digest: Digest;
  readonly size: number;
  /** The file that the blob is, where it is one of this machine: to be linked or cloned, never to be written to. */
  readonly path?: string | undefined;
  /**
   * Bytes from `position` into `buffer`, as many as there are and fit; returns how many. 0 at the end. Not verified, since
   * a part has no digest.
   */
  read(buffer: Uint8Array, position: number, options?: AbortableOptions): Promise<number>;
  /**
   * The bytes of a range, all of the blob without one. A stream of the whole blob is verified and ends with the error
   * `data-loss`, reason `digest-mismatch`, before its last chunk when the bytes on disk have rotted.
   * @throws DrayError `out-of-range` when `offset` is beyond the end.
   */
  stream(options?: RangeOptions): AsyncIterable<Uint8Array>;
}

/** A range of a blob in bytes; to the end without a length. */
export interface RangeOptions extends AbortableOptions {
  readonly offset?: number | undefined;
  readonly length?: number | undefined;
  /** A chunk may be good only until the next one is asked for: its memory is used again. Faster, for whoever keeps none. */
  readonly transient?: boolean | undefined;
  /**
   * Where the first byte goes in a file that the bytes are written to. Transient chunks may then end at multiples of 1 MiB
   * there, which is what file systems take best.
   */
  readonly position?: number | undefined;
}

/** Gives the bytes of blobs. */
export interface Provider {
  /**
   * Opens a blob. The caller owns the reader.
   * @throws DrayError `not-found`; `invalid-argument` for a malformed digest; `data-loss`, reason `size-mismatch`, when the
   * target names another size than is stored.
   */
  reader(target: Target, options?: AbortableOptions): Promise<BlobReader>;
}

/** How to open an ingest. */
export interface WriterOptions extends AbortableOptions {
  /** The name of the ingest: any text that is not empty. The same ref goes on where an earlier writer stopped. */
  readonly ref: string;
  /** What is going to be written, if that is known. */
  readonly target?: Target | undefined;
  /** How many bytes are going to be written, where that is known and their digest is not. */
  readonly size?: number | undefined;
  /** A lease that keeps the ingest, and later the blob, from being collected; a blob that is there already as well. */
  readonly lease?: string | undefined;
}

/** What a commit is to find; what is not said is not checked. */
export interface CommitOptions extends AbortableOptions {
  readonly size?: number | undefined;
  readonly digest?: Digest | undefined;
  readonly labels?: Labels | undefined;
}

/**
 * An open ingest. One call at a time, but for `status`, which may be asked at any time: a store may refuse a second one with
 * `failed-precondition`. Disposing it closes it and keeps what was written, so that it can be resumed; `abort` of the store
 * removes it.
 */
export interface Writer extends AsyncDisposable {
  readonly ref: string;
  /** Where the ingest stands. A resumed one starts with the offset it has. */
  status(): Promise<Status>;
  /** The digest of what was written so far. */
  digest(): Promise<Digest>;
  /**
   * Appends. The chunk belongs to the store until the promise settles. Others may see the bytes later, but not after the writer has
   * told its status or digest, or is closed.
   * @throws DrayError `invalid-argument` for a chunk that is no `Uint8Array`, of a stream with an encoding for example;
   * `failed-precondition` when the writer is closed; `resource-exhausted`, reason `disk-full`.
   */
  write(chunk: Uint8Array, options?: AbortableOptions): Promise<void>;
  /**
   * Cuts the ingest to `size` bytes; 0 starts over. Not every store can cut to anything else.
   * @throws DrayError `out-of-range` above the offset; `not-implemented`.
   */
  truncate(size: number): Promise<void>;
  /**
   * Turns the ingest into a blob, durably unless the store was opened otherwise, and closes the writer in every case.
   * @throws DrayError `failed-precondition` with reason `digest-mismatch` or `size-mismatch` (the ingest stays and can be
   * resumed or aborted) or when the writer is closed; `already-exists` when the blob is there (the ingest is gone);
   * `not-found` when the ingest was taken away meanwhile; `resource-exhausted`, reason `disk-full`.
   */
  commit(expected?: CommitOptions): Promise<Info>;
}

/** Takes bytes in. */
export interface Ingester {
  /**
   * Opens an ingest, a new one or the one of that ref. The caller owns the writer.
   * @throws DrayError `unavailable`, reason `locked`, at once, while another writer has it; `already-exists` when the target
   * is a blob already; `invalid-argument` for a ref that is empty or no Unicode text, a malformed digest and an impossible size; `not-found` for the lease,
   * `failed-precondition` when that has expired.
   */
  writer(options: WriterOptions): Promise<Writer>;
}

/** Looks after ingests. */
export interface IngestManager {
  /** @throws DrayError `not-found`. */
  status(ref: string, options?: AbortableOptions): Promise<Status>;
  /** Every ingest that any of the filters matches (field `ref`), all without filters. Half-made ones are left out. */
  statuses(...filters: string[]): AsyncIterable<Status>;
  /** Removes an ingest. @throws DrayError `not-found`; `unavailable`, reason `locked`, while a writer has it open. */
  abort(ref: string, options?: AbortableOptions): Promise<void>;
}

/** The labels that a blob is to have. */
export interface LabelChange {
  readonly digest: Digest;
  readonly labels?: Labels | undefined;
}

/** Looks after blobs. */
export interface Manager {
  /** @throws DrayError `not-found`; `invalid-argument` for a malformed digest. */
  info(digest: Digest, options?: AbortableOptions): Promise<Info>;
  /**
   * Changes labels. Without field paths or with `labels` they are replaced, with `labels.KEY` that one is set; an empty
   * value removes a label.
   * @throws DrayError `not-found`; `invalid-argument` for any other field path or a label over the limit.
   */
  update(change: LabelChange, ...fieldpaths: string[]): Promise<Info>;
  /** Every blob that any of the filters matches (fields `digest`, `labels.KEY`), ordered by digest. */
  walk(...filters: string[]): AsyncIterable<Info>;
  /** Removes a blob; open readers keep it. @throws DrayError `not-found`. */
  delete(digest: Digest, options?: AbortableOptions): Promise<void>;
}

/** All of it. */
export interface ContentStore extends Provider, Ingester, IngestManager, Manager {}
