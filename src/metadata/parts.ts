import type { LocalStore } from '../content/local/local-store.ts';
import type { BlobFiles } from './blob-files.ts';
import type { CollectOptions, CollectSummary } from './collect.ts';
import type { Database } from './database.ts';

/** Who may use bytes that another namespace brought: any namespace that knows the digest, or none. */
export type Sharing = 'shared' | 'isolated';

/** What the services of a directory are made over. */
export interface StoreParts {
  readonly database: Database;
  readonly local: LocalStore;
  readonly files: BlobFiles;
  readonly sharing: Sharing;
  collect(options: CollectOptions): Promise<CollectSummary>;
}
