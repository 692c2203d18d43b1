import { BlockList, isIP, isIPv6 } from 'node:net';
import { DrayError } from '../../errors.ts';
import { bareHost, isLoopback } from './addresses.ts';
import type { Environment } from './home.ts';

/** Finds the proxy for a URL; undefined: none. @throws DrayError when what is to be one is none. */
export type FindProxy = (url: URL) => URL | undefined;

/**
 * The proxies of the environment, by the rules of Go's net/http, which every other registry client follows: `HTTPS_PROXY`
 * for https, `HTTP_PROXY` for http (not within CGI, where a header could set it), `NO_PROXY` with hosts, domains with a dot
 * in front for subdomains alone, addresses, networks, ports and `*`; never for this machine. A variable that is no proxy is
 * an `invalid-argument` of what would go through it: whoever set it wants nothing sent directly.
 */
export function environmentProxies(environment: Environment = process.env): FindProxy {
  const read = (name: string): string => environment[name] || environment[name.toLowerCase()] || '';
  const isCgi = (environment['REQUEST_METHOD'] ?? '') !== '';
  const plain = isCgi ? undefined : parseProxy(read('HTTP_PROXY'));
  const secure = parseProxy(read('HTTPS_PROXY'));
  const exceptions = read('NO_PROXY').split(',').flatMap(parseException);
  return (url) => {
    const proxy = url.protocol === 'https:' ? secure : plain;
    if (proxy === undefined || isLoopback(url.hostname)) return undefined;
    if (exceptions.some((excepts) => excepts(url))) return undefined;
    if (proxy === 'malformed') throw malformed(url.protocol);
    return proxy;
  };
}

function parseProxy(text: string): URL | 'malformed' | undefined {
  if (text === '') return undefined;
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  return url !== null && /^(https?|socks5?|socks5h):$/.test(url.protocol) && isEncoded(url.username + url.password)
    ? url
    : 'malformed';
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

// Without the text of it, which may hold a password.
function malformed(protocol: string): DrayError {
  const name = protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  return new DrayError('invalid-argument', `what ${name} says is no proxy`, {
    hint: `write it as http://proxy.example.com:3128, or unset ${name}`,
  });
}

type Exception = (url: URL) => boolean;

function parseException(entry: string): Exception[] {
  const text = entry.trim().toLowerCase();
  if (text === '') return [];
  if (text === '*') return [() => true];
  const network = parseNetwork(text);
  if (network !== undefined) return [network];
  const { host, port } = splitPort(text);
  if (host === '') return [];
  const matches = isIP(host) === 0 ? domainMatcher(host) : (name: string) => name === host;
  return [(url) => matches(bareHost(url.hostname).toLowerCase()) && (port === '' || port === portOf(url))];
}

function parseNetwork(text: string): Exception | undefined {
  const [address = '', length = '', ...more] = text.split('/');
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  const most = family === 'ipv6' ? 128 : 32;
  if (isIP(address) === 0 || more.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > most) return undefined;
  const network = new BlockList();
  network.addSubnet(address, Number(length), family);
  return (url) => {
    const host = bareHost(url.hostname);
    return isIP(host) !== 0 && network.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
  };
}

function splitPort(text: string): { host: string; port: string } {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(text);
  // An IPv6 address without brackets.
  if (match === null) return { host: text, port: '' };
  return { host: match[1] ?? match[2] ?? '', port: match[3] ?? '' };
}

function domainMatcher(text: string): (name: string) => boolean {
  const suffix = text.startsWith('*.') ? text.slice(1) : text;
  if (suffix.startsWith('.')) return (name) => name.endsWith(suffix);
  return (name) => name === suffix || name.endsWith(`.${suffix}`);
}

function portOf({ port, protocol }: URL): string {
  if (port !== '') return port;
  return protocol === 'https:' ? '443' : '80';
}
