import { DrayError } from '../../errors.ts';

/**
 * The path of a socket as users write it: a path, or a URL of the scheme `unix`. On Windows it is the name of a pipe, or a URL of
 * the scheme `npipe` (`npipe:////./pipe/NAME`).
 * @throws DrayError `invalid-argument` for any other URL and for nothing.
 */
export function socketPath(address: string): string {
  const path = address
    .replace(/^unix:(\/\/)?/, '')
    .replace(/^npipe:\/\/\/\/(.*)$/, (_, name: string) => `\\\\${name.replaceAll('/', '\\')}`);
  if (path !== '' && !/^[a-z]+:\/\//.test(path)) return path;
  throw new DrayError('invalid-argument', `${JSON.stringify(address)} is no address of a containerd`, {
    hint: 'write the path of its socket, /run/containerd/containerd.sock, or on Windows its pipe, \\\\.\\pipe\\containerd-containerd',
  });
}
