import { once } from 'node:events';
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { codeOf, DrayError, toDrayError } from './errors.ts';

/** Where a server listens: an address, or a unix socket (a named pipe of Windows), which is for its owner alone. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Makes a server listen. The socket that a killed server left is replaced.
 * @throws DrayError `unavailable` when the address is in use; `permission-denied`, `not-found` and the like for the path.
 */
export async function listenAt(server: Server, address: ListenAddress): Promise<void> {
  const at = 'path' in address ? address.path : `${address.host}:${address.port}`;
  try {
    if ('path' in address) await removeStale(address.path);
    server.listen(address);
    await once(server, 'listening');
    if ('path' in address && process.platform !== 'win32') await chmod(address.path, 0o600);
  } catch (error) {
    if (error instanceof DrayError) throw error;
    if (codeOf(error) === 'EADDRINUSE') {
      throw new DrayError('unavailable', `something listens at ${at} already`, {
        hint: 'choose another address, or port 0 for any that is free',
        cause: error,
      });
    }
    const known = toDrayError(error);
    throw new DrayError(known.kind, `cannot listen at ${at}: ${known.message}`, { cause: error });
  }
}

// A server that was killed leaves its socket behind; one that answers is somebody else's.
async function removeStale(path: string): Promise<void> {
  const found = process.platform === 'win32' ? undefined : await lstat(path).catch(() => undefined);
  // What is there and no socket is in the way, and listening says so.
  if (!found?.isSocket()) return;
  const probe = connect({ path });
  try {
    await once(probe, 'connect');
  } catch (error) {
    if (codeOf(error) === 'ECONNREFUSED') await unlink(path);
    return;
  } finally {
    probe.destroy();
  }
  throw new DrayError('unavailable', `something listens at ${path} already`, { hint: 'choose another path' });
}
