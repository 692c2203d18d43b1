import type { AbortableOptions } from '../../content/store.ts';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../gen/health_pb.ts';
import { Introspection } from '../gen/introspection_pb.ts';
import { Version } from '../gen/version_pb.ts';
import type { Session } from './session.ts';

/** Which version a daemon is. */
export interface DaemonVersion {
  readonly version: string;
  readonly revision: string;
}

/** A part of a daemon. */
export interface DaemonPlugin {
  /** `io.containerd.snapshotter.v1` and the like. */
  readonly type: string;
  readonly id: string;
  readonly platforms: readonly string[];
  readonly capabilities: readonly string[];
  readonly exports: Readonly<Record<string, string>>;
  /** Why it could not be loaded; undefined when it was. */
  readonly failure?: string | undefined;
}

export async function daemonVersion(session: Session, options?: AbortableOptions): Promise<DaemonVersion> {
  const { version, revision } = await session.call(Version.method.version, {}, options);
  return { version, revision };
}

export async function* daemonPlugins(
  session: Session,
  filters: readonly string[],
  options?: AbortableOptions,
): AsyncGenerator<DaemonPlugin> {
  const { plugins } = await session.call(Introspection.method.plugins, { filters: [...filters] }, options);
  for (const { type, id, platforms, capabilities, exports, initErr } of plugins) {
    yield {
      type,
      id,
      platforms: platforms.map(({ os, architecture, variant }) =>
        [os, architecture, variant].filter((part) => part !== '').join('/'),
      ),
      capabilities,
      exports: { ...exports },
      ...(initErr === undefined ? {} : { failure: initErr.message }),
    };
  }
}

export async function daemonServes(session: Session, options?: AbortableOptions): Promise<boolean> {
  const { status } = await session.call(Health.method.check, { service: '' }, options);
  return status === ServingStatus.SERVING;
}
