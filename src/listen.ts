import { once } from 'node:events';
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { codeOf, DrayError, toDrayError } from './errors.ts';

/** Where a server listens: an address, or a unix socket (a named pipe of Windows), which is for its owner alone. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Makes a server listen. The socket that a killed server left is replaced.
 * @throws DrayError `unavailable` when the address is in use; `invalid-argument` when it is none of this machine; `permission-denied`, `not-found` and the like for the path.
 */
export async function listenAt(server: Server, address: ListenAddress): Promise<void> {
  const at = 'path' in address ? address.path : `${address.host}:${address.port}`;
  try {
    if ('path' in address) await removeStale(address.path);
    server.listen(address);
    await once(server, 'listening');
    if ('path' in address && process.platform !== 'win32') await chmod(address.path, 0o600);
  } catch (error) {
    throw failure(error, at, 'path' in address);
  }
}

function failure(error: unknown, at: string, isPath: boolean): DrayError {
  const known = toDrayError(error);
  const context = { ...known.context, side: 'store', cause: error } as const;
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new DrayError(
        'unavailable',
        isPath ? `something is at ${at} already` : `something listens at ${at} already`,
        {
          ...context,
          hint: isPath ? 'choose another path' : 'choose another address, or port 0 for any that is free',
        },
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new DrayError('invalid-argument', `${at} is no address of this machine`, {
        ...context,
        hint: 'listen at 127.0.0.1, or at 0.0.0.0 for all',
      });
    case 'EACCES':
      return new DrayError('permission-denied', `cannot listen at ${at}: ${known.message}`, {
        ...context,
        hint: isPath
          ? 'check the owner and the mode of its directory; on Windows name a pipe: \\\\.\\pipe\\dray'
          : 'choose a port over 1023, or run it with the right to use that one',
      });
    case 'EINVAL':
      return new DrayError('invalid-argument', `cannot listen at ${at}: ${known.message}`, {
        ...context,
        hint: isPath ? 'the path of a socket may have about 100 bytes: choose a shorter one' : undefined,
      });
    default:
      return new DrayError(known.kind, `cannot listen at ${at}: ${known.message}`, context);
  }
}

// A server that was killed leaves its socket behind; one that answers is somebody else's.
async function removeStale(path: string): Promise<void> {
  const found = process.platform === 'win32' ? undefined : await lstat(path).catch(() => undefined);
  // What is there and no socket is in the way, and listening says so.
  if (!found?.isSocket()) return;
  const probe = connect({ path });
  try {
    // Whoever answers is in the way as well.
    await once(probe, 'connect');
  } catch (error) {
    if (codeOf(error) === 'ECONNREFUSED') await unlink(path);
  } finally {
    probe.destroy();
  }
}
