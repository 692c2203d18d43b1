import { randomUUID } from 'node:crypto';
import { checkLabels, expiryLabel, expiryOf, presentLabels } from '../content/labels.ts';
import type { AbortableOptions, Labels } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { fieldsOf, parseFilters } from '../filters/filter.ts';
import type {
  DeleteLeaseOptions,
  Lease,
  LeaseManager,
  LeaseOptions,
  LeaseResource,
  NewLease,
} from '../services/lease-manager.ts';
import { parseDigest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { Rows, Transaction } from './database.ts';
import { publish } from './events.ts';
import { ensureNamespace } from './namespaces.ts';
import { pages } from './pages.ts';
import type { StoreParts } from './parts.ts';
import { prefilter } from './prefilter.ts';

interface LeaseRow {
  readonly id: string;
  readonly labels: string;
  readonly expires_at: bigint | null;
  readonly created_at: bigint;
}

/** The leases of one namespace of a directory. */
export class Leases implements LeaseManager {
  readonly #parts: StoreParts;
  readonly #namespace: string;

  constructor(parts: StoreParts, namespace: string) {
    this.#parts = parts;
    this.#namespace = namespace;
  }

  async create({ id, labels = {}, expiresAt }: NewLease = {}, options: LeaseOptions = {}): Promise<Lease> {
    const { durable, signal } = options;
    signal?.throwIfAborted();
    if (id === '' || id?.isWellFormed() === false) throw new DrayError('invalid-argument', 'a lease needs an id');
    const all = presentLabels({ ...labels, ...expiryLabel(expiresAt) });
    checkLabels(all);
    const lease = {
      id: id ?? randomUUID(),
      labels: all,
      createdAt: Timestamp.now(),
      expiresAt: expiryOf(all),
    };
    const namespace = this.#namespace;
    return await this.#parts.database.write(
      (transaction) => {
        ensureNamespace(transaction, namespace);
        const added = transaction.run(
          'INSERT OR IGNORE INTO lease VALUES (?, ?, ?, ?, ?)',
          namespace,
          lease.id,
          JSON.stringify(all),
          lease.expiresAt?.nanoseconds ?? null,
          lease.createdAt.nanoseconds,
        );
        if (added === 0) throw new DrayError('already-exists', `lease ${lease.id} exists`, { side: 'store' });
        publish(transaction, namespace, '/leases/create', { id: lease.id, labels: all });
        return lease;
      },
      { durable },
    );
  }

  async *list(...filters: string[]): AsyncGenerator<Lease> {
    const filter = parseFilters(filters);
    const { sql, values } = prefilter(filter, { text: { id: 'id' }, maps: { labels: 'labels' } });
    const rows = pages<LeaseRow, 'id'>(this.#parts.database, {
      select: 'SELECT * FROM lease',
      where: `namespace = ? AND ${sql}`,
      values: [this.#namespace, ...values],
      key: 'id',
    });
    for await (const row of rows) {
      const lease = leaseOf(row);
      if (filter(fieldsOf({ id: lease.id, labels: lease.labels }))) yield lease;
    }
  }

  async delete(id: string, { synchronous, durable, signal }: DeleteLeaseOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await this.#parts.database.write(
      (transaction) => {
        if (transaction.run('DELETE FROM lease WHERE namespace = ? AND id = ?', this.#namespace, id) === 0)
          throw noLease(id);
        publish(transaction, this.#namespace, '/leases/delete', { id });
      },
      { durable },
    );
    if (synchronous) await this.#parts.collect({ signal });
  }

  async addResource(id: string, resource: LeaseResource, { signal }: AbortableOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    checkResource(resource);
    await this.#parts.database.write((transaction) => hold(transaction, this.#namespace, id, resource));
  }

  async deleteResource(id: string, resource: LeaseResource, { signal }: AbortableOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    checkResource(resource);
    await this.#parts.database.write((transaction) => {
      findLease(transaction, this.#namespace, id);
      letGo(transaction, this.#namespace, id, resource);
    });
  }

  async *resources(id: string): AsyncGenerator<LeaseResource> {
    findLease(this.#parts.database, this.#namespace, id);
    for (const type of resourceTypes) {
      const held = pages<{ id: string }, 'id'>(this.#parts.database, {
        select: 'SELECT id FROM lease_resource',
        where: 'namespace = ? AND lease = ? AND type = ?',
        values: [this.#namespace, id, type],
        key: 'id',
      });
      for await (const row of held) yield { type, id: row.id };
    }
  }
}

/**
 * Makes a lease hold something.
 * @throws DrayError `not-found` for the lease; `failed-precondition` when it has expired.
 */
export function hold(transaction: Transaction, namespace: string, id: string, { type, id: held }: LeaseResource): void {
  checkLease(transaction, namespace, id);
  transaction.run('INSERT OR IGNORE INTO lease_resource VALUES (?, ?, ?, ?)', namespace, id, type, held);
}

/** Ends that; what was not held is fine. */
export function letGo(
  transaction: Transaction,
  namespace: string,
  id: string,
  { type, id: held }: LeaseResource,
): void {
  transaction.run(
    'DELETE FROM lease_resource WHERE namespace = ? AND lease = ? AND type = ? AND id = ?',
    namespace,
    id,
    type,
    held,
  );
}

/** @throws DrayError `not-found`; `failed-precondition` when the lease has expired. */
export function checkLease(rows: Rows, namespace: string, id: string): void {
  const { expires_at: expiry } = findLease(rows, namespace, id);
  if (expiry === null || expiry >= Timestamp.now().nanoseconds) return;
  throw new DrayError('failed-precondition', `lease ${id} has expired at ${new Timestamp(expiry)}`, {
    side: 'store',
    hint: 'make a new lease, one that lasts longer',
  });
}

function findLease(rows: Rows, namespace: string, id: string): LeaseRow {
  const row = rows.get<LeaseRow>('SELECT * FROM lease WHERE namespace = ? AND id = ?', namespace, id);
  if (row === undefined) throw noLease(id);
  return row;
}

function leaseOf({ id, labels, expires_at, created_at }: LeaseRow): Lease {
  return {
    id,
    labels: JSON.parse(labels) as Labels,
    createdAt: new Timestamp(created_at),
    ...(expires_at === null ? {} : { expiresAt: new Timestamp(expires_at) }),
  };
}

function noLease(id: string): DrayError {
  return new DrayError('not-found', `no lease ${JSON.stringify(id)}`, {
    side: 'store',
    hint: 'dray lease ls lists them',
  });
}

const resourceTypes = ['content', 'images', 'ingests'];

function checkResource({ type, id }: LeaseResource): void {
  if (!resourceTypes.includes(type)) {
    throw new DrayError('not-implemented', `a lease cannot hold ${JSON.stringify(type)}`, {
      hint: `it can hold ${resourceTypes.join(', ')}`,
    });
  }
  if (id === '' || !id.isWellFormed())
    throw new DrayError('invalid-argument', `what a lease holds of ${type} needs an id`);
  if (type === 'content') parseDigest(id);
}
