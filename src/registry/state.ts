import type { Turns } from '../content/turns.ts';
import type { Collection } from '../services/collection.ts';
import type { Services } from '../services/services.ts';
import type { Authentication } from './auth/authentication.ts';
import type { Exchange } from './exchange.ts';
import type { Holds } from './holds.ts';
import type { MemoryBudget } from './memory.ts';
import type { RepositoryName } from './names.ts';
import type { Publisher } from './publisher.ts';
import type { Repository } from './repository.ts';
import type { Sessions } from './sessions.ts';
import type { SharedReads } from './shared-reads.ts';
import type { Upstream } from './upstream.ts';

/** A request that is about a repository. */
export interface RepositoryRequest {
  readonly exchange: Exchange;
  readonly state: RegistryState;
  readonly repository: Repository;
}

/** What a registry refuses to take, and what it tells clients of that. */
export interface RegistryLimits {
  /** The most bytes of a manifest. */
  readonly manifest: number;
  /** The most bytes of a blob. */
  readonly blob: number;
  /** The `OCI-Chunk-Min-Length` that uploads announce; none if not said. */
  readonly chunkMinLength: number | undefined;
}

/** What the endpoints of one registry work with. */
export interface RegistryState {
  readonly services: Services;
  readonly holds: Holds;
  readonly sessions: Sessions;
  readonly publisher: Publisher;
  readonly collection: Collection;
  /** For changes of one repository that must not mix. */
  readonly turns: Turns;
  readonly memory: MemoryBudget;
  /** For blobs that are sent whole. */
  readonly reads: SharedReads;
  readonly limits: RegistryLimits;
  /** Host part of the names of repositories whose paths have none. */
  readonly domain: string;
  readonly readOnly: boolean;
  readonly authentication: Authentication | undefined;
  /** Where what is missing comes from. */
  readonly upstream: Upstream | undefined;
  repository(name: RepositoryName): Repository;
}
