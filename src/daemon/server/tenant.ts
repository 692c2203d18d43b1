import { DrayError } from '../../errors.ts';
import type { NamespaceStore } from '../../services/namespace-store.ts';
import type { Services } from '../../services/services.ts';
import { checkNamespace } from '../../spec/namespace-name.ts';
import type { ServerCall } from '../grpc/service.ts';

/** What can be served: the namespaces of a store. A `Store` is one. */
export interface ServedStore {
  readonly namespaces: NamespaceStore;
  /** One namespace of it. What it returns need not be closed. */
  services(namespace: string): Services;
}

/** Finds out for whom a call is. */
export interface Tenants {
  readonly store: ServedStore;
  /** The namespace that all calls are for, whatever they say. */
  readonly only?: string | undefined;
}

/** The services that a call is for. @throws DrayError `failed-precondition` without a namespace; `invalid-argument`. */
export function servicesFor(tenants: Tenants, call: ServerCall): Services {
  return tenants.store.services(namespaceOf(tenants, call));
}

/** The namespace that a call is for. @throws DrayError `failed-precondition` without one; `invalid-argument`. */
export function namespaceOf({ only }: Tenants, call: ServerCall): string {
  const namespace = only ?? field(call, 'containerd-namespace');
  if (namespace === undefined) throw new DrayError('failed-precondition', 'namespace is required');
  checkNamespace(namespace);
  return namespace;
}

/** The lease that a call goes under. */
export function leaseOf(call: ServerCall): string | undefined {
  return field(call, 'containerd-lease');
}

function field({ metadata }: ServerCall, name: string): string | undefined {
  return metadata.get(name) || undefined;
}
