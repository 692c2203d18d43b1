import { Timestamp } from '../spec/timestamp.ts';
import type { CollectOptions, CollectSummary, Removed } from './collection.ts';
import { expireIngests } from './expire-ingests.ts';
import type { OpenParts } from './parts.ts';
import { sweepEntries } from './sweep-entries.ts';
import { sweepFiles } from './sweep-files.ts';

/** How long an ingest may lie untouched before a collection takes it for abandoned, in milliseconds: a day. */
const ingestLifetime: number = 24 * 60 * 60 * 1000;

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
