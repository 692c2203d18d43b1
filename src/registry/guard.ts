import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { refusal } from './codes.ts';

/** Host names that requests may be for; undefined when any will do. */
export type AllowedHosts = ReadonlySet<string> | undefined;

/** Names of a machine for itself. */
const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/**
 * The host names that requests to an address may be for. A page on the web can make a name of its own mean 127.0.0.1 and then
 * talk to what listens there, so a loopback listener insists on a name of the machine.
 */
export function hostsFor(address: string, others: readonly string[]): AllowedHosts {
  if (!isLoopback(address) && others.length === 0) return undefined;
  return new Set([...loopbackNames, address, ...others].map(hostIn));
}

// As it is in a `Host` header, without the port.
function hostIn(text: string): string {
  return isIP(text) === 6 ? `[${text.toLowerCase()}]` : text.toLowerCase().replace(/:\d+$/, '');
}

/** Whether nobody but this machine can reach an address. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address);
}

/**
 * @throws DrayError `DENIED` for a request that a page on the web seems to have made; `UNSUPPORTED` for one to two hosts, of which
 * a proxy in front may have meant the other (RFC 9112, 3.2).
 */
export function checkOrigin({ headers, headersDistinct, method }: IncomingMessage, hosts: AllowedHosts): void {
  if ((headersDistinct['host']?.length ?? 0) > 1)
    throw refusal('UNSUPPORTED', 'a request is for one host', { status: 400 });
  const host = headers.host?.toLowerCase() ?? '';
  const name = hostIn(host);
  if (hosts !== undefined && !hosts.has(name) && !name.endsWith('.localhost')) {
    throw refusal('DENIED', `this registry is not ${JSON.stringify(name.slice(0, 100))}`, {
      status: 421,
      hint: 'name the hosts that it may be called by with --host',
    });
  }
  const { origin } = headers;
  if (origin === undefined || method === 'GET' || method === 'HEAD') return;
  if (origin.toLowerCase().replace(/^https?:\/\//, '') === host) return;
  throw refusal('DENIED', 'a page of another site may not change anything here');
}
