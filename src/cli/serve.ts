import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { DrayError } from '../errors.ts';
import type { RegistryOptions } from '../registry/registry.ts';
import { parseRegistry } from '../spec/reference.ts';
import type { Arguments } from './arguments.ts';
import type { Context } from './context.ts';
import { ownVersion } from './version.ts';

/**
 * Serves the store until a signal comes: as a registry, as containerd's services, or both. Uploads and ingests that are under way
 * then can be gone on with after a restart.
 */
export async function serveStore(context: Context): Promise<void> {
  const { arguments: args, output, signal } = context;
  const socket = args.string('containerd-socket');
  if (socket === undefined && args.flag('content-plugin')) {
    throw new DrayError('invalid-argument', '--content-plugin needs --containerd-socket', {
      hint: 'name the socket that the daemon is to find: --containerd-socket /run/dray.sock',
    });
  }
  await using served = new AsyncDisposableStack();
  if (socket !== undefined) served.use(await serveServices(context, socket));
  if (socket === undefined || args.string('addr') !== undefined || args.string('socket') !== undefined)
    served.use(await serveRegistry(context));
  output.note('stop with Ctrl-C');
  // A signal is how it ends, so that is no failure.
  if (!signal.aborted) await once(signal, 'abort');
}

async function serveServices(context: Context, socket: string): Promise<AsyncDisposable> {
  const { arguments: args, output } = context;
  const [{ serveContainerd }, { imageTransfers }, client, version] = await Promise.all([
    import('../daemon/server/serve.ts'),
    import('../client/image-transfers.ts'),
    context.client(),
    ownVersion(),
  ]);
  const own = client.store;
  const store = own ?? client.daemon ?? (await context.store());
  const server = await serveContainerd(store, socket, {
    version,
    pluginNamespace: args.flag('content-plugin') ? client.services.namespace : undefined,
    onCall: ({ method, code, milliseconds, error }) => {
      const why = error instanceof Error ? ` error=${JSON.stringify(error.message)}` : '';
      if (output.debug) output.note(`${method} ${code} ${milliseconds.toFixed(1)}ms${why}`);
    },
    images: own === undefined ? undefined : imageTransfers(context.registryOptions),
    collect: own === undefined || own.readOnly ? undefined : (options) => own.collect(options),
    onError: (error) => output.say(errorLine(error)),
  });
  output.note(`serving ${client.daemon?.address ?? context.root} to clients of containerd at ${socket}`);
  return server;
}

async function serveRegistry(context: Context): Promise<AsyncDisposable> {
  const { arguments: args, output } = context;
  const [{ startRegistry }, { formatRequest }] = await Promise.all([
    import('../registry/registry.ts'),
    import('../registry/log.ts'),
  ]);
  const client = await context.client();
  const { store } = client;
  const upstream = args.string('upstream');
  const registry = await startRegistry({
    ...(await optionsOf(args)),
    readOnly: args.flag('read-only') || store?.readOnly,
    services: client.services,
    collect: store === undefined ? undefined : (options) => store.collect(options),
    upstream:
      upstream === undefined
        ? undefined
        : { resolver: await client.registry(), host: parseRegistry(upstream), freshness: args.duration('freshness') },
    onRequest: (record) => output.note(formatRequest(record)),
    onError: (error) => output.say(errorLine(error)),
  });
  if (args.flag('print-url')) await output.line(registry.url);
  output.note(`serving ${client.daemon?.address ?? context.root} at ${registry.url}`);
  return registry;
}

function errorLine(error: unknown): string {
  return `error: ${error instanceof Error ? error.message : String(error)}`;
}

async function optionsOf(args: Arguments): Promise<Omit<RegistryOptions, 'services'>> {
  const [certificate, key, authorities] = ['tls-cert', 'tls-key', 'tls-client-ca'].map((name) => args.string(name));
  if ((certificate === undefined) !== (key === undefined)) {
    throw new DrayError('invalid-argument', '--tls-cert and --tls-key go together');
  }
  if (authorities !== undefined && certificate === undefined)
    throw new DrayError('invalid-argument', '--tls-client-ca needs --tls-cert and --tls-key');
  const socketPath = args.string('socket');
  return {
    ...(socketPath === undefined ? addressOf(args.string('addr') ?? '127.0.0.1:5000') : { socketPath }),
    tls:
      certificate === undefined || key === undefined
        ? undefined
        : {
            certificate: await readFile(certificate),
            key: await readFile(key),
            clientAuthorities: authorities === undefined ? undefined : await readFile(authorities),
          },
    hosts: args.list('host'),
    authentication: await authenticationOf(args),
    allowEverybody: args.flag('allow-everybody'),
    sparse: args.string('sparse') as 'indexes' | 'all' | undefined,
    metricsPath: args.string('metrics'),
  };
}

async function authenticationOf(args: Arguments): Promise<RegistryOptions['authentication']> {
  const file = args.string('auth');
  const [realm, service, issuer, keys] = ['token-realm', 'token-service', 'token-issuer', 'token-key'].map((name) =>
    args.string(name),
  );
  if (file !== undefined) return (await import('../registry/auth/htpasswd.ts')).htpasswd(file);
  if ([realm, service, issuer, keys].every((part) => part === undefined)) return undefined;
  if (realm === undefined || service === undefined || issuer === undefined || keys === undefined) {
    throw new DrayError(
      'invalid-argument',
      '--token-realm, --token-service, --token-issuer and --token-key go together',
    );
  }
  return (await import('../registry/auth/tokens.ts')).tokens({ realm, service, issuer, keys: await readFile(keys) });
}

/** `HOST:PORT`, `[::1]:PORT` or `:PORT`. @throws DrayError `invalid-argument`. */
function addressOf(text: string): { host: string; port: number } {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:[\]]*):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[2]) > 65535) {
    throw new DrayError('invalid-argument', `${JSON.stringify(text)} is no address to listen at`, {
      hint: 'write it as 127.0.0.1:5000',
    });
  }
  const host = (match[1] ?? '').replace(/^\[|\]$/g, '');
  return { host: host === '' ? '0.0.0.0' : host, port: Number(match[2]) };
}
