import { isLoopback } from './addresses.ts';
import { canonicalRegistry } from './credentials.ts';
import type { Connection } from './transport.ts';

/** What a host may be used for. */
export type Capability = 'pull' | 'resolve' | 'push' | 'referrers';

/** Everything a host may be used for. */
export const allCapabilities: ReadonlySet<Capability> = new Set(['pull', 'resolve', 'push', 'referrers']);

/** One server that stands for a registry: the registry itself or a mirror of it. */
export interface HostConfig {
  /** The registry as credentials know it: `docker.io`, `mirror.example.com:5000`. */
  readonly registry: string;
  /** The root of the API, without a slash at its end: `https://registry-1.docker.io/v2`. */
  readonly root: URL;
  /** The root to try when the first turns out to speak the other of http and https. */
  readonly otherRoot?: URL | undefined;
  readonly capabilities: ReadonlySet<Capability>;
  readonly connection: Connection;
  /** Sent to this server and to nobody else. */
  readonly headers: Readonly<Record<string, string>>;
  /** The registry that another server is asked about, for the `ns` parameter. */
  readonly namespace?: string | undefined;
  /** Another host is asked after it. */
  readonly isMirror?: boolean | undefined;
}

/** What is the same for all hosts of a client. */
export interface HostDefaults {
  readonly plainHttp: boolean;
  readonly connection: Connection;
}

/** The host of a registry for which nothing is configured. */
export function defaultHost(registry: string, defaults: HostDefaults): HostConfig {
  const canonical = canonicalRegistry(registry);
  const host = canonical === 'docker.io' ? 'registry-1.docker.io' : registry;
  const [root, otherRoot] = rootsOf(host, defaults.plainHttp);
  return {
    registry: canonical,
    root,
    otherRoot,
    capabilities: allCapabilities,
    connection: defaults.connection,
    headers: {},
  };
}

// Plain http without being asked is for this machine alone. There it is the usual thing on any port but that of https.
function rootsOf(host: string, plainHttp: boolean): [URL, URL?] {
  const secure = new URL(`https://${host}/v2`);
  const plain = new URL(`http://${host}/v2`);
  if (plainHttp) return [plain];
  if (!isLoopback(secure.hostname)) return [secure];
  return secure.port === '' ? [secure, plain] : [plain, secure];
}
