import { expiryLabel } from '../../content/labels.ts';
import type { AbortableOptions } from '../../content/store.ts';
import type { DeleteLeaseOptions, Lease, LeaseManager, LeaseResource, NewLease } from '../../services/lease-manager.ts';
import { Leases } from '../gen/leases_pb.ts';
import { fromLease } from '../messages.ts';
import type { Session } from './session.ts';

/** The leases of one namespace of a daemon. */
export class DaemonLeases implements LeaseManager {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async create({ id = '', labels = {}, expiresAt }: NewLease = {}, options?: AbortableOptions): Promise<Lease> {
    const wanted = { id, labels: { ...labels, ...expiryLabel(expiresAt) } };
    return fromLease((await this.#session.call(Leases.method.create, wanted, options)).lease);
  }

  async *list(...filters: string[]): AsyncGenerator<Lease> {
    const { leases } = await this.#session.call(Leases.method.list, { filters });
    yield* leases.map(fromLease);
  }

  async delete(id: string, { synchronous = false, signal }: DeleteLeaseOptions = {}): Promise<void> {
    await this.#session.call(Leases.method.delete, { id, sync: synchronous }, { signal, slow: synchronous });
  }

  async addResource(id: string, { type, id: of }: LeaseResource, options?: AbortableOptions): Promise<void> {
    await this.#session.call(Leases.method.addResource, { id, resource: { type, id: of } }, options);
  }

  async deleteResource(id: string, { type, id: of }: LeaseResource, options?: AbortableOptions): Promise<void> {
    await this.#session.call(Leases.method.deleteResource, { id, resource: { type, id: of } }, options);
  }

  async *resources(id: string): AsyncGenerator<LeaseResource> {
    const { resources } = await this.#session.call(Leases.method.listResources, { id });
    for (const { type, id: of } of resources) yield { type, id: of };
  }
}
