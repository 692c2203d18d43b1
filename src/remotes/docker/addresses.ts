import { lookup as resolveName } from 'node:dns/promises';
import { BlockList, isIP, isIPv4 } from 'node:net';

/**
 * Where an address is, seen from here. What a registry names may be as far away as the registry itself or farther, never
 * nearer: a registry on the internet has no business in the local network.
 */
export type Reach = 'loopback' | 'private' | 'public' | 'forbidden';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

const privateNetworks = new BlockList();
privateNetworks.addSubnet('10.0.0.0', 8, 'ipv4');
privateNetworks.addSubnet('172.16.0.0', 12, 'ipv4');
privateNetworks.addSubnet('192.168.0.0', 16, 'ipv4');
privateNetworks.addSubnet('100.64.0.0', 10, 'ipv4');
privateNetworks.addSubnet('198.18.0.0', 15, 'ipv4');
privateNetworks.addSubnet('fc00::', 7, 'ipv6');

// Unspecified, link-local (cloud metadata services live there), multicast, broadcast, and prefixes that embed IPv4.
const forbidden = new BlockList();
forbidden.addSubnet('0.0.0.0', 8, 'ipv4');
forbidden.addSubnet('169.254.0.0', 16, 'ipv4');
forbidden.addSubnet('192.0.0.0', 24, 'ipv4');
forbidden.addSubnet('224.0.0.0', 3, 'ipv4');
forbidden.addAddress('::', 'ipv6');
forbidden.addAddress('fd00:ec2::254', 'ipv6');
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addSubnet('fec0::', 10, 'ipv6');
forbidden.addSubnet('ff00::', 8, 'ipv6');
forbidden.addSubnet('64:ff9b::', 96, 'ipv6');
forbidden.addSubnet('2002::', 16, 'ipv6');

/** Where an IP address is. */
export function reachOfAddress(address: string): Reach {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  if (forbidden.check(address, family)) return 'forbidden';
  if (loopback.check(address, family)) return 'loopback';
  return privateNetworks.check(address, family) ? 'private' : 'public';
}

/** The host of a URL without the brackets of IPv6 and a dot at the end. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}

/** Where a host is, as far as its name alone tells; undefined for a name that has to be looked up. */
export function reachOfName(hostname: string): Reach | undefined {
  const host = bareHost(hostname).toLowerCase();
  if (isIP(host) !== 0) return reachOfAddress(host);
  return host === 'localhost' || host.endsWith('.localhost') ? 'loopback' : undefined;
}

/** Whether a host is this machine by its name. */
export function isLoopback(hostname: string): boolean {
  return reachOfName(hostname) === 'loopback';
}

/** Where a host is, by its nearest address. A name that cannot be looked up here counts as public. */
export async function reachOfHost(hostname: string): Promise<Reach> {
  const known = reachOfName(hostname);
  if (known !== undefined) return known;
  try {
    const addresses = await resolveName(bareHost(hostname), { all: true });
    const reaches = new Set(addresses.map(({ address }) => reachOfAddress(address)));
    return nearestFirst.find((reach) => reaches.has(reach)) ?? 'public';
  } catch {
    // Behind a proxy names are not for us to look up, and a name that nobody knows is not connected to anyway.
    return 'public';
  }
}

const nearestFirst: readonly Reach[] = ['loopback', 'private', 'public'];

/** Whether something at `from` may send us to `to`. */
export function mayPointTo(from: Reach, to: Reach): boolean {
  if (to === 'forbidden') return false;
  return nearestFirst.indexOf(to) >= nearestFirst.indexOf(from);
}

/** Whether two hosts look like one owner's: they are the same or end in the same two labels. */
export function areRelated(one: string, other: string): boolean {
  const [first = '', second = ''] = [one, other].map((host) => bareHost(host).toLowerCase());
  if (first === second) return true;
  const [end, otherEnd] = [first, second].map((host) => host.split('.').slice(-2).join('.'));
  return isIP(first) === 0 && isIP(second) === 0 && end === otherEnd;
}
