import { once } from 'node:events';
import { fieldsOf, parseFilters } from '../../filters/filter.ts';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../gen/health_pb.ts';
import { Introspection } from '../gen/introspection_pb.ts';
import { Version } from '../gen/version_pb.ts';
import { type Routes, routesOf } from '../grpc/service.ts';

/** What a server tells of itself. */
export interface AboutOptions {
  readonly version: string;
  /** The services there are, as containerd names its plugins: `content`. */
  readonly services: readonly string[];
  /** Changes with every start. */
  readonly uuid: string;
}

/** Version, plugins and health. */
export function aboutServices({ version, services, uuid }: AboutOptions): Routes[] {
  const plugins = services.map((id) => ({ type: 'io.containerd.grpc.v1', id }));
  const known = { status: ServingStatus.SERVING };
  return [
    routesOf(Version, { version: async () => ({ version, revision: 'dray' }) }),
    routesOf(Introspection, {
      async plugins({ filters }) {
        const filter = parseFilters(filters);
        return { plugins: plugins.filter((plugin) => filter(fieldsOf(plugin))) };
      },
      server: async () => ({ uuid, pid: BigInt(process.pid) }),
    }),
    routesOf(Health, {
      check: async () => known,
      async *watch(_, { signal }) {
        yield known;
        // Nothing changes until the server ends, and then the call ends with it.
        if (!signal.aborted) await once(signal, 'abort');
      },
    }),
  ];
}
