import { codeOf, DrayError, type ErrorContext } from '../../errors.ts';
import { oneLine } from './answer-errors.ts';
import { forbiddenAddress } from './guard.ts';

/** What failed connections mean. */

const certificateHint = 'name its authority in the hosts directory, or skip the verification with --insecure';
const certificateCodes =
  /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_PURPOSE)/;

/** Whether a certificate was refused because nobody is known who has signed it. */
export function isUnknownAuthority(error: unknown): boolean {
  const code = codeOf(rootOf(error)) ?? '';
  return /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY_LEAF)/.test(
    code,
  );
}

const proxyHint =
  'the proxy does not let us through: check HTTP_PROXY and HTTPS_PROXY, and the user and password in them';

const ownCertificateHint = 'it wants another certificate of ours: name one with its key in the hosts directory';

const hintsOfCodes: Readonly<Record<string, string>> = {
  ENOTFOUND: 'check the name of the registry and the DNS settings',
  EAI_AGAIN: 'check the network and the DNS settings',
  ECONNREFUSED: 'nothing listens there: check host, port and proxy settings',
  ERR_SSL_WRONG_VERSION_NUMBER:
    'it may speak http: ask it with --plain-http, or name it with http:// in the hosts directory',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: ownCertificateHint,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: ownCertificateHint,
  ETIMEDOUT: 'check the network and the proxy settings',
  UND_ERR_SOCKS5_AUTH_FAILED: proxyHint,
  UND_ERR_SOCKS5_AUTH_REJECTED: proxyHint,
  UND_ERR_CONNECT_TIMEOUT: 'check the network and the proxy settings',
  UND_ERR_HEADERS_TIMEOUT: 'the registry, or a proxy before it, does not answer in time: try again later',
};

/** The error for a request that got no whole answer: `unavailable`, or `permission-denied` where a rule of ours stopped it. */
export function connectionError(error: unknown, context: ErrorContext): DrayError {
  if (error instanceof DrayError) return error;
  const cause = rootOf(error);
  const code = codeOf(cause) ?? codeOf(error) ?? '';
  const said =
    tlsProblem(cause) ?? (cause instanceof Error && cause.message !== '' ? cause.message : String(code || error));
  const message = `no answer from ${context.registry ?? 'the registry'}: ${oneLine(said)}`;
  if (code === forbiddenAddress)
    return new DrayError('permission-denied', message, { ...context, reason: 'policy', cause: error });
  const hint = certificateCodes.test(code) ? certificateHint : /^Proxy /.test(said) ? proxyHint : hintsOfCodes[code];
  return new DrayError('unavailable', message, { hint: hint ?? 'try again', ...context, cause: error });
}

// OpenSSL's own messages begin with the number of a thread and end with a line of its source.
function tlsProblem(error: unknown): string | undefined {
  const { library, reason } = (error ?? {}) as { library?: unknown; reason?: unknown };
  return library === 'SSL routines' && typeof reason === 'string' ? `TLS failed, ${reason}` : undefined;
}

// The one error of several addresses that were tried.
function rootOf(error: unknown): unknown {
  const inner = error instanceof AggregateError ? error.errors[0] : undefined;
  return inner ?? error;
}

// What a proxy does not want now, it does not want a moment later; and wrong passwords lock accounts.
const permanentCodes = new Set([
  'ENOTFOUND',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_SOCKS5_AUTH_FAILED',
  'UND_ERR_SOCKS5_AUTH_REJECTED',
  forbiddenAddress,
]);

function isProxyRefusal(error: unknown): boolean {
  return error instanceof Error && /^Proxy response \(4(?!08|29)\d\d\)/.test(error.message);
}

/** Whether a request without an answer is worth sending again. */
export function isTransient(error: unknown): boolean {
  if (error instanceof DrayError) return false;
  const code = codeOf(rootOf(error)) ?? codeOf(error) ?? '';
  return !permanentCodes.has(code) && !certificateCodes.test(code) && !isProxyRefusal(error);
}

/** Whether nobody listens or no name is known: the request has not reached anybody. */
export function isUnreachable(error: unknown): boolean {
  const code = codeOf(rootOf(error)) ?? codeOf(error) ?? '';
  return /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|UND_ERR_CONNECT_TIMEOUT)$/.test(code);
}
