import { deleteBlob, getBlob } from './blobs.ts';
import type { Exchange } from './exchange.ts';
import { listReferrers, listRepositories, listTags } from './lists.ts';
import { deleteManifest, getManifest, putManifest } from './manifests.ts';
import { replyJson } from './reply.ts';
import type { Repository } from './repository.ts';
import { digestFrom, type Route } from './route.ts';
import type { RegistryState, RepositoryRequest } from './state.ts';
import { deleteUpload, getUpload, patchUpload, putUpload, startUpload } from './uploads.ts';

/** What one method of one route does, and the right that it takes. */
export interface Endpoint {
  /** The action in the repository of the route, or in the catalog; none is needed to ask whether the registry is there. */
  readonly action: 'pull' | 'push' | 'delete' | '*' | undefined;
  /** The repository is that of the route; routes without one get none. */
  run(exchange: Exchange, state: RegistryState, repository: Repository | undefined): Promise<void>;
}

type InRepository = (request: RepositoryRequest) => Promise<void>;

/** Whether an endpoint changes anything, which a read-only registry refuses. */
export function changes({ action }: Endpoint): boolean {
  return action === 'push' || action === 'delete';
}

function to(action: 'pull' | 'push' | 'delete', run: InRepository): Endpoint {
  return {
    action,
    run: async (exchange, state, repository) => {
      if (repository !== undefined) await run({ exchange, state, repository });
    },
  };
}

/** Every method that a route has. What is not here does not exist, so a right cannot be forgotten. */
export function endpointsOf(route: Route): Readonly<Record<string, Endpoint>> {
  switch (route.kind) {
    case 'ping':
      return withHead({ action: undefined, run: async (exchange) => replyJson(exchange, {}) });
    case 'catalog':
      return withHead({ action: '*', run: listRepositories });
    case 'tags':
      return withHead(to('pull', listTags));
    case 'referrers':
      return withHead(to('pull', (request) => listReferrers(request, digestFrom(route.digest))));
    case 'manifest':
      return {
        ...withHead(to('pull', (request) => getManifest(request, route.reference))),
        PUT: to('push', (request) => putManifest(request, route.reference)),
        DELETE: to('delete', (request) => deleteManifest(request, route.reference)),
      };
    case 'blob':
      return {
        ...withHead(to('pull', (request) => getBlob(request, digestFrom(route.digest)))),
        DELETE: to('delete', (request) => deleteBlob(request, digestFrom(route.digest))),
      };
    case 'uploads':
      return { POST: to('push', startUpload) };
    case 'upload':
      return {
        GET: to('push', (request) => getUpload({ ...request, id: route.id })),
        PATCH: to('push', (request) => patchUpload({ ...request, id: route.id })),
        PUT: to('push', (request) => putUpload({ ...request, id: route.id })),
        DELETE: to('push', (request) => deleteUpload({ ...request, id: route.id })),
      };
  }
}

function withHead(get: Endpoint): { readonly GET: Endpoint; readonly HEAD: Endpoint } {
  return { GET: get, HEAD: get };
}
