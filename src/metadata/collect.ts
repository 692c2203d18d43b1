import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import type { StoreParts } from './parts.ts';

/** Options of {@link collect}. */
export interface CollectOptions extends AbortableOptions {
  /** Say what would go, and remove nothing. */
  readonly dryRun?: boolean | undefined;
}

/** What a collection removed. */
export interface CollectSummary {
  readonly blobs: number;
  readonly bytes: number;
}

export async function collect(_parts: Omit<StoreParts, 'collect'>, _options: CollectOptions): Promise<CollectSummary> {
  throw new DrayError('not-implemented', 'collection is not there yet');
}
