import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { DrayError } from '../../errors.ts';
import { mayPointTo, type Reach, reachOfAddress, reachOfName } from './addresses.ts';
import { redactedUrl } from './secret.ts';

/** What a registry names a URL for. */
export type UrlPurpose = 'redirect' | 'upload location' | 'token realm' | 'next page' | 'layer URL';

const maximumLength = 32 * 1024;

const nobody: ReadonlySet<string> = new Set();

/**
 * The one door for URLs that a server names: redirects, upload locations, token realms, pages, foreign layers. `base` is the
 * URL of the answer that named it, `reach` is where that server is. Plain http is taken from a plain http server only; from
 * a server behind a proxy that forgets about TLS, `http` at the server's own name means the server itself. Names are looked
 * up when they are connected to, where {@link guardedLookup} holds them to the same rule. Hosts in `trusted`, with their port
 * as URLs write it, may be anywhere.
 * @throws DrayError `permission-denied`, reason `policy`, for a URL that leads where it must not; `invalid-argument`,
 * reason `bad-document`, for one that is none.
 */
export function guardUrl(
  text: string,
  base: URL,
  reach: Reach,
  purpose: UrlPurpose,
  trusted: ReadonlySet<string> = nobody,
): URL {
  const url = parse(text, base, purpose);
  const own = sameServer(url, base);
  if (own !== undefined) return own;
  if (url.username !== '' || url.password !== '') throw refused(purpose, url, base, 'it carries user information');
  const plain = url.protocol === 'http:' && (base.protocol === 'http:' || reach === 'loopback');
  if (url.protocol !== 'https:' && !plain) throw refused(purpose, url, base, `it is not https`);
  if (trusted.has(url.host)) return url;
  const target = reachOfName(url.hostname);
  if (target !== undefined && !mayPointTo(reach, target)) throw refused(purpose, url, base, whereabouts[target]);
  return url;
}

// The URL when it is at the very server that named it, put right where it has the wrong scheme.
function sameServer(url: URL, base: URL): URL | undefined {
  if (url.username !== '' || url.password !== '') return undefined;
  if (url.origin === base.origin) return url;
  const downgraded = base.protocol === 'https:' && url.protocol === 'http:' && url.hostname === base.hostname;
  if (!downgraded || (url.port !== '' && url.port !== base.port)) return undefined;
  const upgraded = new URL(url);
  upgraded.protocol = 'https:';
  upgraded.port = base.port;
  return upgraded;
}

function parse(text: string, base: URL, purpose: UrlPurpose): URL {
  // Some servers leave the scheme out: `registry.example.com/v2/…`.
  const whole = text.startsWith(`${base.host}/`) ? `${base.protocol}//${text}` : text;
  const url = whole.length > maximumLength ? null : URL.parse(whole, base.href);
  if (url === null) {
    throw new DrayError('invalid-argument', `${base.host} named a ${purpose} that is no URL`, {
      reason: 'bad-document',
      registry: base.host,
      hint: 'the registry is misconfigured, or something else than a registry answers there',
    });
  }
  url.hash = '';
  return url;
}

const whereabouts: Readonly<Record<Reach, string>> = {
  loopback: 'it is on this machine',
  private: 'it is in a private network',
  forbidden: 'its address is link-local, unspecified or reserved',
  public: 'it is public',
};

function refused(purpose: UrlPurpose, url: URL, base: URL, problem: string): DrayError {
  return new DrayError('permission-denied', `refused a ${purpose} of ${base.host}, ${redactedUrl(url)}: ${problem}`, {
    reason: 'policy',
    registry: base.host,
    hint: 'the registry is misconfigured, or it is not what it says it is',
  });
}

/** The `code` of the error for a name that leads nearer than it may. */
export const forbiddenAddress = 'ERR_DRAY_FORBIDDEN_ADDRESS';

/**
 * A `lookup` for sockets that gives no address nearer than `reach`, so that a name cannot change its meaning between the
 * check and the connection.
 */
export function guardedLookup(reach: Reach): (hostname: string, options: LookupOptions, done: LookupDone) => void {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, '');
      const allowed = addresses.filter(({ address }) => mayPointTo(reach, reachOfAddress(address)));
      const [first] = allowed;
      if (first === undefined) return done(forbiddenName(hostname), '');
      if (options.all === true) return done(null, allowed);
      return done(null, first.address, first.family);
    });
  };
}

type LookupDone = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

function forbiddenName(hostname: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${hostname} has no address that a registry may send us to`);
  error.code = forbiddenAddress;
  return error;
}
