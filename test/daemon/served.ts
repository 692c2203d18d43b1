import { connectContainerd, type Daemon } from '../../src/daemon/client/daemon.ts';
import { type ServeContainerdOptions, serveContainerd } from '../../src/daemon/server/serve.ts';
import type { Store } from '../../src/metadata/open-store.ts';
import type { OpenStoreOptions } from '../../src/metadata/parts.ts';
import { temporaryStore } from '../metadata/support.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** A store in a directory, served at a socket, and a client of it. */
export interface Served extends AsyncDisposable {
  readonly address: string;
  readonly root: string;
  readonly store: Store;
  /** The namespace `default`, over the socket. */
  readonly daemon: Daemon;
}

export async function servedStore(
  options: Partial<OpenStoreOptions> = {},
  serving: ServeContainerdOptions = {},
): Promise<Served> {
  const resources = new AsyncDisposableStack();
  const directory = resources.use(await temporaryDirectory());
  const { store, root } = resources.use(await temporaryStore({ durability: 'none', ...options }));
  const address = socketIn(directory.path);
  resources.use(await serveContainerd(store, address, serving));
  const daemon = resources.use(await connectContainerd({ address }));
  return { address, root, store, daemon, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** The name of a socket that nobody else has. */
export function socketIn(directory: string): string {
  return process.platform === 'win32' ? `\\\\.\\pipe\\${directory.replace(/[\\/:]/g, '-')}` : `${directory}/dray.sock`;
}
