import { checkCount } from '../../content/count.ts';
import { containersAuthCredentials, dockerConfigCredentials } from './auth-file.ts';
import type { BlobLocations } from './blob-locations.ts';
import { Budget } from './budget.ts';
import { type CredentialSource, chainedCredentials, environmentCredentials } from './credentials.ts';
import { type DownloadOptions, defaultDownloadPolicy } from './download-policy.ts';
import type { RegistryEvent } from './events.ts';
import { authorizerOf } from './host-authorizer.ts';
import type { ClientContext, Timeouts } from './host-state.ts';
import type { HostConfig } from './hosts.ts';
import { defaultCertificateDirectories, findHosts } from './hosts-directory.ts';
import { Pace } from './pace.ts';
import type { FindProxy } from './proxy.ts';
import { Registries } from './registries.ts';
import { defaultRetryPolicy, type RetryOptions } from './retry.ts';
import type { Transport } from './transport.ts';
import type { UploadSessionStore } from './upload-sessions.ts';

/** How a {@link RegistryClient} behaves. Nothing here is needed for the usual case. */
export interface RegistryClientOptions {
  /** Who we are; the environment and the config files of docker and podman if not said. */
  readonly credentials?: CredentialSource | undefined;
  /** The config file with credentials, in place of those of docker and podman; for when `credentials` is not said. */
  readonly authFile?: string | undefined;
  /** Speak http to registries that nothing is configured for. Loopback registries may speak it without this. */
  readonly plainHttp?: boolean | undefined;
  /** Do not verify certificates of registries that nothing is configured for. */
  readonly insecure?: boolean | undefined;
  /** A directory in the format of containerd's `certs.d`, or several, separated as those of `PATH`. */
  readonly hostsDirectory?: string | undefined;
  /** Directories in the format of docker's `certs.d`; those of docker and podman if not said. */
  readonly certificateDirectories?: readonly string[] | undefined;
  /** The proxy for a URL; those of the environment if not said. */
  readonly proxy?: FindProxy | undefined;
  /** The most bodies that travel at once from or to one host, in each direction; 8 if not said. */
  readonly concurrency?: number | undefined;
  /** Never dial: every request fails with `failed-precondition`, reason `policy`. */
  readonly offline?: boolean | undefined;
  /**
   * Hosts, `auth.example.com:8443`, that registries may send us to though they are nearer than the registry itself: on this
   * machine or in a private network. Without it such redirects, token servers, upload locations and layer URLs are refused.
   */
  readonly trustedHosts?: readonly string[] | undefined;
  readonly userAgent?: string | undefined;
  /** Time limits in milliseconds. */
  readonly timeouts?: (Partial<Timeouts> & { readonly connect?: number | undefined }) | undefined;
  readonly retry?: RetryOptions | undefined;
  /** When a blob is fetched over several connections. */
  readonly downloads?: DownloadOptions | undefined;
  /** Memory for bytes that arrive before they are wanted, of all blobs together, in bytes; 64 MiB if not said. */
  readonly memory?: number | undefined;
  /** Bytes of a chunk where a blob is sent in chunks; 16 MiB if not said. */
  readonly chunkSize?: number | undefined;
  /** Remembers unfinished uploads, so that a later client goes on with them. */
  readonly uploads?: UploadSessionStore | undefined;
  /** Remembers which repositories have what was pushed, so that a later client mounts it in others. */
  readonly locations?: BlobLocations | undefined;
  /** Told what happens: requests, retries, waits, limits, warnings. Nothing in it is secret. */
  readonly onEvent?: ((event: RegistryEvent) => void) | undefined;
}

const defaultTimeouts: Timeouts = { headers: 60_000, commit: 600_000, stall: 30_000 };
const defaultConcurrency = 8;
const defaultChunkSize = 16 * 1024 * 1024;
const defaultMemory = 64 * 1024 * 1024;

/** The registries as the options describe them. */
export function registriesOf(options: RegistryClientOptions, transport: Transport): Registries {
  const connection = { skipVerify: options.insecure === true, timeout: options.timeouts?.connect };
  const defaults = { plainHttp: options.plainHttp === true, connection };
  const { hostsDirectory, certificateDirectories = defaultCertificateDirectories() } = options;
  return new Registries(contextOf(options, transport), defaults, (registry) =>
    findHosts(registry, { hostsDirectory, certificateDirectories, defaults }),
  );
}

/**
 * Where credentials come from when nobody says: the environment, then the config files of docker and of podman, or the one
 * file that is named.
 */
export function defaultCredentials(file?: string): CredentialSource {
  const files =
    file === undefined ? [dockerConfigCredentials(), containersAuthCredentials()] : [dockerConfigCredentials({ file })];
  return chainedCredentials(environmentCredentials(), ...files);
}

function contextOf(options: RegistryClientOptions, transport: Transport): ClientContext {
  const { headers, commit, stall } = { ...defaultTimeouts, ...said(options.timeouts) };
  return {
    transport,
    credentials: options.credentials ?? defaultCredentials(options.authFile),
    emit: options.onEvent ?? (() => {}),
    timeouts: { headers, commit, stall },
    retry: { ...defaultRetryPolicy, ...said(options.retry) },
    userAgent: options.userAgent ?? 'dray',
    offline: options.offline === true,
    trusted: new Set(options.trustedHosts?.map((host) => host.toLowerCase())),
    authorizerOf,
    paceOf: pacesOf(checkCount('the concurrency', options.concurrency ?? defaultConcurrency)),
    chunkSize: checkCount('the size of a chunk', options.chunkSize ?? defaultChunkSize),
    downloads: { ...defaultDownloadPolicy, ...said(options.downloads) },
    budget: new Budget(options.memory ?? defaultMemory),
  };
}

function pacesOf(concurrency: number): (config: HostConfig) => Pace {
  const paces = new Map<string, Pace>();
  return ({ root, connection }) => {
    const server = connection.socketPath ?? root.origin;
    const pace = paces.get(server) ?? new Pace(concurrency);
    paces.set(server, pace);
    return pace;
  };
}

// Options that are there but undefined count as not said.
function said<T extends object>(options: T | undefined): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
