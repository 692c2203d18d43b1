import { readdir, readFile } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { DrayError } from '../../errors.ts';
import { canonicalRegistry } from './credentials.ts';
import { homeDirectory } from './home.ts';
import { allCapabilities, defaultHost, type HostConfig, type HostDefaults } from './hosts.ts';
import type { HostEntry } from './hosts-toml.ts';
import type { ClientCertificate, Connection } from './transport.ts';
import { unlessAbsent } from './unless-absent.ts';

/** Where hosts and certificates are written down. */
export interface HostsDirectoryOptions {
  /** Directories in the format of containerd's `certs.d`, separated as those of `PATH`. */
  readonly hostsDirectory?: string | undefined;
  /** Directories in the format of docker's `certs.d`, for registries of which the first say nothing. */
  readonly certificateDirectories: readonly string[];
  readonly defaults: HostDefaults;
}

/** Where docker and podman keep certificates of registries. */
export function defaultCertificateDirectories(): readonly string[] {
  if (process.platform === 'win32') return [join(process.env['ProgramData'] ?? 'C:\\ProgramData', 'docker', 'certs.d')];
  const own = join(homeDirectory(), '.config', 'containers', 'certs.d');
  return [own, '/etc/containers/certs.d', '/etc/docker/certs.d'];
}

/**
 * The hosts that are written down for a registry: its mirrors in their order, and the registry itself at the end. Undefined
 * when nothing is written.
 * @throws DrayError `invalid-argument` for a file that is malformed or names one that is not there; `permission-denied`.
 */
export async function findHosts(
  registry: string,
  { hostsDirectory = '', certificateDirectories, defaults }: HostsDirectoryOptions,
): Promise<readonly HostConfig[] | undefined> {
  for (const directory of hostsDirectory.split(delimiter).filter((path) => path !== '')) {
    for (const name of [...directoryNames(registry), '_default']) {
      const found = await readDirectory(join(directory, name), registry, defaults);
      if (found !== undefined) return found;
    }
  }
  for (const directory of certificateDirectories) {
    const found = await readCertificates(join(directory, onDisk(registry)), registry, defaults);
    if (found !== undefined) return found;
  }
  return undefined;
}

// Containerd's names: with the port set off by underlines, which every file system takes, and as it is.
function directoryNames(registry: string): readonly string[] {
  const withPort = registry.replace(/:(\d+)$/, '_$1_');
  return [...new Set([withPort, registry].map(onDisk))];
}

// Windows takes no colons, of which an address of IPv6 has more than that before the port.
function onDisk(registry: string): string {
  return process.platform === 'win32' ? registry.replaceAll(':', '') : registry;
}

async function readDirectory(
  directory: string,
  registry: string,
  defaults: HostDefaults,
): Promise<readonly HostConfig[] | undefined> {
  const path = join(directory, 'hosts.toml');
  const text = await readIfThere(path);
  if (text === undefined || text.trim() === '') return await readCertificates(directory, registry, defaults);
  // The parser is only loaded where there is something to parse.
  const { parseHostsToml } = await import('./hosts-toml.ts');
  const { hosts, server } = parseHostsToml(text, path);
  const mirrors = await Promise.all(hosts.map((entry) => hostOf(entry, directory, registry, defaults)));
  const upstream = await (server.url === undefined
    ? upstreamOf(server, directory, registry, defaults)
    : hostOf(server, directory, registry, defaults));
  return [...mirrors.map((mirror) => ({ ...mirror, isMirror: true })), upstream];
}

async function upstreamOf(
  entry: HostEntry,
  directory: string,
  registry: string,
  defaults: HostDefaults,
): Promise<HostConfig> {
  const own = defaultHost(registry, defaults);
  const connection = await connectionOf(entry, directory, own.connection);
  const capabilities = entry.capabilities === undefined ? own.capabilities : new Set(entry.capabilities);
  return { ...own, connection, capabilities, headers: entry.headers };
}

async function hostOf(
  entry: HostEntry,
  directory: string,
  registry: string,
  { connection }: HostDefaults,
): Promise<HostConfig> {
  const { url, name, socketPath } = parseUrl(entry.url ?? '', join(directory, 'hosts.toml'));
  const own = defaultHost(registry, { plainHttp: false, connection });
  const isOwn = name === own.registry || name === own.root.host;
  return {
    registry: isOwn ? own.registry : canonicalRegistry(name),
    root: rootOf(url, entry.overridePath),
    capabilities: entry.capabilities === undefined ? allCapabilities : new Set(entry.capabilities),
    connection: { ...(await connectionOf(entry, directory, connection)), socketPath },
    headers: entry.headers,
    ...(isOwn ? {} : { namespace: registry }),
  };
}

interface HostUrl {
  readonly url: URL;
  /** What credentials are kept under. */
  readonly name: string;
  readonly socketPath?: string;
}

function parseUrl(text: string, path: string): HostUrl {
  const socket = /^(?:http\+)?unix:\/\/(\/.*)$/.exec(text)?.[1];
  // Whatever is at a socket, it is not what has its credentials as `localhost`.
  if (socket !== undefined) return { url: new URL('http://localhost'), name: `unix://${socket}`, socketPath: socket };
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  const isUsable = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  // A URL forgets this port, and without it the name is that of the server that speaks https.
  const port = /^http:\/\/[^/?#]*(:80)(?![^/?#])/i.exec(text)?.[1] ?? '';
  if (isUsable && url.search === '' && url.hash === '') return { url, name: `${url.host}${port}` };
  throw new DrayError('invalid-argument', `${path} names a host that is no URL of one`, {
    path,
    hint: 'a host is https://host:port/path, http://… or unix:///path, without user information and query',
  });
}

function rootOf(url: URL, overridePath: boolean): URL {
  const root = new URL(url);
  const path = url.pathname.replace(/\/+/g, '/').replace(/\/$/, '');
  root.pathname = overridePath || /\/v2$/.test(path) ? path : `${path}/v2`;
  return root;
}

async function connectionOf(entry: HostEntry, directory: string, base: Connection): Promise<Connection> {
  const at = (path: string): string => (isAbsolute(path) ? path : join(directory, path));
  const authorities = await Promise.all(entry.authorities.map((path) => readPem(at(path))));
  const clientCertificates = await Promise.all(
    entry.clientCertificates.map(({ certificate, key }) =>
      readPair(at(certificate), key === undefined ? undefined : at(key)),
    ),
  );
  return {
    ...base,
    authorities,
    clientCertificates,
    skipVerify: entry.skipVerify ?? base.skipVerify,
    timeout: entry.dialTimeout ?? base.timeout,
  };
}

// `*.crt` are authorities, `*.cert` with a `*.key` of the same name certificates of ours.
async function readCertificates(
  directory: string,
  registry: string,
  defaults: HostDefaults,
): Promise<readonly HostConfig[] | undefined> {
  const names = await unlessAbsent(directory, operation, () => readdir(directory));
  if (names === undefined) return undefined;
  const of = (ending: string): string[] => names.filter((name) => name.endsWith(ending)).sort();
  const authorities = await Promise.all(of('.crt').map((name) => readPem(join(directory, name))));
  const clientCertificates = await Promise.all(
    of('.cert').map((name) => {
      const key = `${name.slice(0, -'.cert'.length)}.key`;
      return readPair(join(directory, name), names.includes(key) ? join(directory, key) : undefined);
    }),
  );
  const host = defaultHost(registry, defaults);
  return [{ ...host, connection: { ...host.connection, authorities, clientCertificates } }];
}

async function readPair(certificatePath: string, keyPath: string | undefined): Promise<ClientCertificate> {
  const certificate = await readPem(certificatePath);
  const key = keyPath === undefined ? certificate : await readPem(keyPath);
  if (/PRIVATE KEY/.test(key)) return { certificate, key };
  throw new DrayError('invalid-argument', `there is no private key for the certificate ${certificatePath}`, {
    path: keyPath ?? certificatePath,
    hint: 'put it beside the certificate, under the same name with .key at its end',
  });
}

async function readPem(path: string): Promise<string> {
  const text = await readIfThere(path);
  if (text?.includes('-----BEGIN ') === true) return text;
  throw new DrayError('invalid-argument', text === undefined ? `${path} is not there` : `${path} is no PEM file`, {
    path,
    hint: 'the hosts directory names it',
  });
}

const operation = 'read the hosts directory';

async function readIfThere(path: string): Promise<string | undefined> {
  return await unlessAbsent(path, operation, () => readFile(path, 'utf8'));
}
