import type { AbortableOptions } from '../content/store.ts';
import { firstFailure } from '../errors.ts';
import type { LeaseManager } from '../services/lease-manager.ts';
import { Timestamp } from '../spec/timestamp.ts';

/** How long a lease holds what a process brought in that died before it could name it; in nanoseconds, a day. */
const duration = 24n * 60n * 60n * 1_000_000_000n;

/** A lease that ends when it is disposed of. */
export interface HeldLease extends AsyncDisposable {
  readonly id: string;
}

/** A lease for one movement: it holds what arrives until that has a name. The caller disposes of it. */
export async function holdingLease(leases: LeaseManager, { signal }: AbortableOptions = {}): Promise<HeldLease> {
  const expiresAt = new Timestamp(Timestamp.now().nanoseconds + duration);
  const { id } = await leases.create({ expiresAt }, { durable: false, signal });
  return { id, [Symbol.asyncDispose]: () => leases.delete(id, { durable: false }) };
}

/** Does something under a lease of its own. When it fails, its failure is told, and not that the lease could not be ended. */
export async function withLease<T>(
  leases: LeaseManager,
  options: AbortableOptions,
  run: (lease: string) => Promise<T>,
): Promise<T> {
  try {
    await using lease = await holdingLease(leases, options);
    return await run(lease.id);
  } catch (error) {
    throw firstFailure(error);
  }
}
