import { DrayError } from '../../errors.ts';
import type { LeaseResource } from '../../services/lease-manager.ts';
import { Leases, type Resource } from '../gen/leases_pb.ts';
import { type Routes, routesOf, type ServerCall } from '../grpc/service.ts';
import { toLease } from '../messages.ts';
import { servicesFor, type Tenants } from './tenant.ts';

/** `containerd.services.leases.v1.Leases` over a store. */
export function leasesService(tenants: Tenants): Routes {
  const leasesFor = (call: ServerCall) => servicesFor(tenants, call).leases;
  return routesOf(Leases, {
    async create({ id, labels }, call) {
      const wanted = { id: id === '' ? undefined : id, labels };
      return { lease: toLease(await leasesFor(call).create(wanted, call)) };
    },
    async delete({ id, sync }, call) {
      await leasesFor(call).delete(id, { synchronous: sync, signal: call.signal });
      return {};
    },
    async list({ filters }, call) {
      return { leases: (await Array.fromAsync(leasesFor(call).list(...filters))).map(toLease) };
    },
    async addResource({ id, resource }, call) {
      await leasesFor(call).addResource(id, fromResource(resource), call);
      return {};
    },
    async deleteResource({ id, resource }, call) {
      await leasesFor(call).deleteResource(id, fromResource(resource), call);
      return {};
    },
    async listResources({ id }, call) {
      return {
        resources: (await Array.fromAsync(leasesFor(call).resources(id))).map(({ type, id }) => ({ type, id })),
      };
    },
  });
}

function fromResource(message: Resource | undefined): LeaseResource {
  if (message === undefined) throw new DrayError('invalid-argument', 'what the lease is to hold is missing');
  return { type: message.type, id: message.id };
}
