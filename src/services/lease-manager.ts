import type { AbortableOptions, Labels } from '../content/store.ts';
import type { Timestamp } from '../spec/timestamp.ts';

/** A hold on content that nothing names yet. */
export interface Lease {
  readonly id: string;
  readonly labels: Labels;
  readonly createdAt: Timestamp;
  /** From then on the lease holds nothing and takes nothing on; never if not said. Kept as the label `containerd.io/gc.expire`. */
  readonly expiresAt?: Timestamp | undefined;
}

/** What a lease may hold. `content` is named by digest, `ingests` by ref, `images` by name. */
export interface LeaseResource {
  readonly type: string;
  readonly id: string;
}

/** How to make a lease. */
export interface NewLease {
  /** Made up when not given. */
  readonly id?: string | undefined;
  readonly labels?: Labels | undefined;
  readonly expiresAt?: Timestamp | undefined;
}

/** Options of what makes and ends leases. */
export interface LeaseOptions extends AbortableOptions {
  /**
   * Whether the change survives a power cut once the promise has resolved; yes if not said. No is for a lease that means nothing
   * without the process that made it. What is promised later covers it either way.
   */
  readonly durable?: boolean | undefined;
}

/** Options of {@link LeaseManager.delete}. */
export interface DeleteLeaseOptions extends LeaseOptions {
  /** Return when what nobody needs any more has been collected. */
  readonly synchronous?: boolean | undefined;
}

/** The leases of one namespace. */
export interface LeaseManager {
  /** @throws DrayError `already-exists`; `invalid-argument`. */
  create(lease?: NewLease, options?: LeaseOptions): Promise<Lease>;
  /** Every lease that any filter matches (fields `id`, `labels.KEY`), by id. */
  list(...filters: string[]): AsyncIterable<Lease>;
  /** @throws DrayError `not-found`. */
  delete(id: string, options?: DeleteLeaseOptions): Promise<void>;
  /**
   * The resource need not be there yet.
   * @throws DrayError `not-found` for the lease, `failed-precondition` when it has expired; `not-implemented` for a type;
   * `invalid-argument`.
   */
  addResource(id: string, resource: LeaseResource, options?: AbortableOptions): Promise<void>;
  /** Removing what is not held is fine. @throws DrayError `not-found` for the lease. */
  deleteResource(id: string, resource: LeaseResource, options?: AbortableOptions): Promise<void>;
  /** @throws DrayError `not-found` for the lease. */
  resources(id: string): AsyncIterable<LeaseResource>;
}
