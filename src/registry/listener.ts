import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { DrayError } from '../errors.ts';
import { listenAt } from '../listen.ts';
import { hostsFor } from './guard.ts';
import type { Handler } from './handler.ts';

/** A certificate and its key, in PEM. */
export interface TlsOptions {
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
  /** Clients have to show a certificate of these authorities. */
  readonly clientAuthorities?: string | Buffer | readonly (string | Buffer)[] | undefined;
}

/** Where a registry listens, and how. */
export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** A unix socket (or a named pipe of Windows) in place of host and port. */
  readonly socketPath: string | undefined;
  readonly tls: TlsOptions | undefined;
  /** More host names that requests may be for. */
  readonly hosts: readonly string[];
  readonly connections: number;
  readonly stall: number;
}

/** An HTTP server that listens. Whoever started it closes it. */
export interface Listener extends AsyncDisposable {
  /** Base of its URLs, without a slash at the end; `http+unix://` with the path of a socket. */
  readonly url: string;
  readonly address: string;
  /** Takes no new connections and closes the idle ones. */
  stop(): void;
}

const headerMilliseconds = 30_000;
const keepAliveMilliseconds = 65_000;

/**
 * Listens for requests and gives them to a handler.
 * @throws DrayError `unavailable` when the address is in use; `permission-denied`; `invalid-argument` for a bad certificate.
 */
export async function listen(handler: Handler, options: ListenerOptions): Promise<Listener> {
  const server = createHttpServer(options);
  const hosts = options.socketPath === undefined ? hostsFor(options.host, options.hosts) : undefined;
  const answer = inTime((request, response) => handler.handle(request, response, hosts));
  server.on('request', answer).on('checkContinue', answer);
  server.maxConnections = options.connections;
  const { host, port, socketPath } = options;
  await listenAt(server, socketPath === undefined ? { host, port } : { path: socketPath });
  const address = addressOf(server, options);
  return {
    url: urlOf(server, options),
    address,
    stop: () => stop(server),
    [Symbol.asyncDispose]: () => close(server),
  };
}

/** The most requests that a connection may have sent ahead of their answers. No client of registries sends any. */
const mostAhead = 16;

// Each of them is kept until those before it are answered, and there is room for two thousand in what is read at once.
function inTime(answer: RequestListener): RequestListener {
  const ahead = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    const count = (ahead.get(socket) ?? 0) + 1;
    ahead.set(socket, count);
    if (count > mostAhead) {
      socket.destroy();
      return;
    }
    response.once('close', () => ahead.set(socket, (ahead.get(socket) ?? 0) - 1));
    answer(request, response);
  };
}

function createHttpServer({ tls, stall }: ListenerOptions): Server {
  const settings = {
    headersTimeout: headerMilliseconds,
    // A body may take as long as it keeps coming.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMilliseconds,
    noDelay: true,
  };
  const server = tls === undefined ? createServer(settings) : createTls({ ...settings, ...tls });
  // The last resort against a client that reads and sends nothing.
  server.timeout = stall * 2;
  return server;
}

function createTls({
  certificate,
  key,
  clientAuthorities,
  ...settings
}: TlsOptions & { requestTimeout: number }): Server {
  try {
    const ca = clientAuthorities === undefined ? undefined : ([clientAuthorities].flat() as (string | Buffer)[]);
    ca?.forEach(checkAuthority);
    const mutual = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
    return createTlsServer({ ...settings, cert: certificate, key, ...mutual });
  } catch (error) {
    if (error instanceof DrayError) throw error;
    throw new DrayError('invalid-argument', `the certificate or its key cannot be used: ${(error as Error).message}`, {
      hint: 'both have to be PEM, and the key has to be that of the certificate',
      cause: error,
    });
  }
}

// TLS takes anything for one, and then knows no client.
function checkAuthority(text: string | Buffer): void {
  if (text.includes('-----BEGIN CERTIFICATE-----') || text.includes('-----BEGIN TRUSTED CERTIFICATE-----')) return;
  throw new DrayError('invalid-argument', 'there is no certificate among the authorities of clients', {
    hint: 'give the certificates that clients are signed with, as PEM',
  });
}

function addressOf(server: Server, { socketPath }: ListenerOptions): string {
  if (socketPath !== undefined) return socketPath;
  const { address, port, family } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

function urlOf(server: Server, options: ListenerOptions): string {
  if (options.socketPath !== undefined) return `http+unix://${encodeURIComponent(options.socketPath)}`;
  return `${options.tls === undefined ? 'http' : 'https'}://${addressOf(server, options)}`;
}

function stop(server: Server): void {
  server.close();
  server.closeIdleConnections();
}

async function close(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  if (server.listening) await once(server, 'close');
}
