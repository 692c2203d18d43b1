import type { AbortableOptions } from '../content/store.ts';
import { Timestamp } from '../spec/timestamp.ts';
import { expireIngests } from './expire-ingests.ts';
import type { OpenParts } from './parts.ts';
import { sweepEntries } from './sweep-entries.ts';
import { sweepFiles } from './sweep-files.ts';

/** How long an ingest may lie untouched before a collection takes it for abandoned, in milliseconds: a day. */
export const ingestLifetime: number = 24 * 60 * 60 * 1000;

/** Options of a collection. */
export interface CollectOptions extends AbortableOptions {
  /** Tell what would go, and remove nothing. */
  readonly dryRun?: boolean | undefined;
  /** Milliseconds after its last byte at which an ingest that nobody has open counts as abandoned; {@link ingestLifetime}. */
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

/**
 * Removes what nothing needs: expired leases and images, content that no image, lease, ingest or root label keeps (in the
 * database first, its file afterwards), ingests that were given up, and files that a crash left without an entry. Everybody
 * may go on working meanwhile, in this process and in others; a file that is not the store's own is not touched.
 * @throws DrayError `unavailable`, reason `locked`; what the disk has.
 */
export async function collect(parts: OpenParts, options: CollectOptions = {}): Promise<CollectSummary> {
  const tally = { leases: 0, images: 0, content: 0, ingests: 0, files: 0, bytes: 0 };
  const report = (removed: Removed): void => {
    tally[counters[removed.type]] += 1;
    if (removed.type === 'file' || removed.type === 'ingest') tally.bytes += removed.size ?? 0;
    options.onRemove?.(removed);
  };
  const now = Timestamp.now();
  const lifetime = BigInt(Math.round((options.ingestLifetime ?? ingestLifetime) * 1e6));
  const before = new Timestamp(now.nanoseconds - lifetime);
  await expireIngests(parts, now, before, options, report);
  await sweepEntries(parts, now, options, report);
  await sweepFiles(parts, options, report);
  return tally;
}

const counters = {
  lease: 'leases',
  image: 'images',
  content: 'content',
  ingest: 'ingests',
  file: 'files',
} as const;
