import type { AbortableOptions } from '../content/store.ts';

/** Options of a collection. */
export interface CollectOptions extends AbortableOptions {
  /** Tell what would go, and remove nothing. */
  readonly dryRun?: boolean | undefined;
  /** Milliseconds after its last byte at which an ingest that nobody has open counts as abandoned; a day if not said. */
  readonly ingestLifetime?: number | undefined;
  /** Called for everything that went, or would go. */
  readonly onRemove?: ((removed: Removed) => void) | undefined;
}

/** Something a collection removed. */
export interface Removed {
  /**
   * `lease`: it had expired. `image`: it had expired, and nothing refers to it. `content`: nothing in its namespace needs it.
   * `ingest`: nobody went on with it. `file`: no namespace has the blob any more.
   */
  readonly type: 'lease' | 'image' | 'content' | 'ingest' | 'file';
  /** Absent for files, which belong to none. */
  readonly namespace?: string | undefined;
  /** Id, name, digest or ref. */
  readonly id: string;
  /** Bytes, of content, ingests and files. */
  readonly size?: number | undefined;
}

/** How much a collection removed, or would remove. */
export interface CollectSummary {
  readonly leases: number;
  readonly images: number;
  readonly content: number;
  readonly ingests: number;
  readonly files: number;
  /** Bytes of disk that are free by it: those of files and ingests. */
  readonly bytes: number;
}
