import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import * as z from 'zod/mini';
import { DrayError } from '../../errors.ts';
import { transformed, tryJson } from '../../spec/schemas.ts';
import type { Access, Authentication, Identity } from './authentication.ts';

/** How to trust the tokens of an issuer (the token specification of the distribution project). */
export interface TokensOptions {
  /** URL that clients get tokens from. */
  readonly realm: string;
  /** Name of this registry, which tokens are for: their `aud`. */
  readonly service: string;
  /** Who makes them: their `iss`. */
  readonly issuer: string;
  /** The issuer's public keys: PEM, or a JSON Web Key or a set of them as text. */
  readonly keys: string | Buffer;
}

/**
 * Bearer tokens of an issuer, JSON Web Tokens whose claim `access` says what is granted. Only the given keys count: a key or
 * a certificate that a token brings along says nothing.
 * @throws DrayError `invalid-argument` when there is no usable public key.
 */
export function tokens({ realm, service, issuer, keys }: TokensOptions): Authentication {
  const trusted = readKeys(keys);
  return {
    scoped: true,
    async identify(authorization) {
      const token = /^bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '')?.[1];
      const claims = token === undefined ? undefined : verified(token, trusted);
      if (claims === undefined || !isFor(claims, service, issuer)) return undefined;
      return identityOf(claims);
    },
    challenge(needed, identity) {
      const scope = needed.length === 0 ? '' : `,scope="${needed.map(scopeOf).join(' ')}"`;
      const error = identity === undefined ? '' : ',error="insufficient_scope"';
      return `Bearer realm="${realm}",service="${service}"${scope}${error}`;
    },
  };
}

// Who pushes looks first, so one token serves for both.
function scopeOf({ type, name, action }: Access): string {
  return `${type}:${name}:${action === 'push' ? 'pull,push' : action}`;
}

const headerSchema = z.looseObject({ alg: z.string(), kid: z.optional(z.string()), crit: z.optional(z.unknown()) });

const claimsSchema = z.looseObject({
  iss: z.string(),
  sub: z._default(z.string(), ''),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  nbf: z.optional(z.number()),
  access: transformed(
    z.nullish(z.array(z.looseObject({ type: z.string(), name: z.string(), actions: z.array(z.string()) }))),
    (access) => access ?? [],
  ),
});

type Claims = z.output<typeof claimsSchema>;

interface TrustedKey {
  readonly key: KeyObject;
  readonly id: string | undefined;
}

/** How an algorithm of a token is verified, for the one type of key that it goes with (RFC 7518, RFC 8037). */
interface Scheme {
  readonly type: string;
  readonly hash: string | null;
  readonly curve?: string;
  readonly pss?: boolean;
}

const schemes: Readonly<Record<string, Scheme>> = {
  RS256: { type: 'rsa', hash: 'sha256' },
  RS384: { type: 'rsa', hash: 'sha384' },
  RS512: { type: 'rsa', hash: 'sha512' },
  PS256: { type: 'rsa', hash: 'sha256', pss: true },
  PS384: { type: 'rsa', hash: 'sha384', pss: true },
  PS512: { type: 'rsa', hash: 'sha512', pss: true },
  ES256: { type: 'ec', hash: 'sha256', curve: 'prime256v1' },
  ES384: { type: 'ec', hash: 'sha384', curve: 'secp384r1' },
  ES512: { type: 'ec', hash: 'sha512', curve: 'secp521r1' },
  EdDSA: { type: 'ed25519', hash: null },
};

function verified(token: string, trusted: readonly TrustedKey[]): Claims | undefined {
  const [head = '', body = '', signature = ''] = token.split('.');
  const header = headerSchema.safeParse(decode(head));
  if (!header.success || header.data.crit !== undefined || !Object.hasOwn(schemes, header.data.alg)) return undefined;
  const scheme = schemes[header.data.alg];
  const { kid } = header.data;
  // A name that no key has is no reason: the specification lets issuers name keys by a fingerprint.
  const named = trusted.filter(({ id }) => id !== undefined && id === kid);
  const candidates = named.length > 0 ? named : trusted;
  const signed = Buffer.from(`${head}.${body}`);
  const proof = Buffer.from(signature, 'base64url');
  if (scheme === undefined || !candidates.some(({ key }) => isSigned(scheme, key, signed, proof))) return undefined;
  const claims = claimsSchema.safeParse(decode(body));
  return claims.success ? claims.data : undefined;
}

const pssOptions = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };

function isSigned({ type, hash, curve, pss }: Scheme, key: KeyObject, signed: Buffer, proof: Buffer): boolean {
  if (key.asymmetricKeyType !== type) return false;
  if (curve !== undefined && key.asymmetricKeyDetails?.namedCurve !== curve) return false;
  return verify(hash, signed, { key, dsaEncoding: 'ieee-p1363', ...(pss ? pssOptions : {}) }, proof);
}

const leewaySeconds = 60;

function isFor({ iss, aud, exp, nbf }: Claims, service: string, issuer: string): boolean {
  const now = Date.now() / 1000;
  const current = exp + leewaySeconds > now && (nbf === undefined || nbf - leewaySeconds <= now);
  return current && iss === issuer && [aud].flat().includes(service);
}

function identityOf({ sub, access }: Claims): Identity {
  return {
    name: sub === '' ? 'token' : sub,
    allows: ({ type, name, action }) =>
      access.some(
        (granted) =>
          granted.type === type &&
          granted.name === name &&
          (granted.actions.includes(action) || granted.actions.includes('*')),
      ),
  };
}

function decode(part: string): unknown {
  return tryJson(Buffer.from(part, 'base64url').toString('utf8'));
}

function readKeys(text: string | Buffer): readonly TrustedKey[] {
  try {
    const keys = text.toString().trimStart().startsWith('{') ? jsonWebKeys(text.toString()) : pemKeys(text.toString());
    if (keys.length > 0 && keys.every(({ key }) => key.type === 'public')) return keys;
    throw new Error('there is none');
  } catch (error) {
    throw new DrayError('invalid-argument', `no usable public key of the token issuer: ${(error as Error).message}`, {
      hint: 'give its public key or certificate as PEM, or its JSON Web Key set',
      cause: error,
    });
  }
}

function pemKeys(text: string): TrustedKey[] {
  if (/PRIVATE KEY/.test(text)) throw new Error('it is a private key');
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----/g) ?? [];
  return blocks.map((block) => ({ key: createPublicKey(block), id: undefined }));
}

function jsonWebKeys(text: string): TrustedKey[] {
  const document = JSON.parse(text) as { keys?: unknown };
  const keys = Array.isArray(document.keys) ? document.keys : [document];
  return keys.map((key: Record<string, unknown>) => {
    if ('d' in key || key['kty'] === 'oct') throw new Error('it is a secret key');
    const id = typeof key['kid'] === 'string' ? key['kid'] : undefined;
    return { key: createPublicKey({ key, format: 'jwk' }), id };
  });
}
