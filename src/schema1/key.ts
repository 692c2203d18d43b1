import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import * as z from 'zod/mini';
import { decodeBase64Url } from '../spec/schema1.ts';

/** An algorithm of JSON web signatures (RFC 7518, 3.1) that libtrust knows, and no others were ever used. */
export type Algorithm = 'ES256' | 'ES384' | 'ES512' | 'RS256' | 'RS384' | 'RS512';

/** What an algorithm is made of. */
export interface AlgorithmParts {
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** The curve that it belongs to, with the bytes of a coordinate; RSA has none. */
  readonly curve?: { readonly name: string; readonly bytes: number } | undefined;
}

const algorithms: Readonly<Record<Algorithm, AlgorithmParts>> = {
  ES256: { hash: 'sha256', curve: { name: 'P-256', bytes: 32 } },
  ES384: { hash: 'sha384', curve: { name: 'P-384', bytes: 48 } },
  ES512: { hash: 'sha512', curve: { name: 'P-521', bytes: 66 } },
  RS256: { hash: 'sha256' },
  RS384: { hash: 'sha384' },
  RS512: { hash: 'sha512' },
};

/** The parts of an algorithm; undefined for one that schema 1 does not have. */
export function algorithmParts(name: string): AlgorithmParts | undefined {
  return Object.hasOwn(algorithms, name) ? algorithms[name as Algorithm] : undefined;
}

/** The algorithm that a key signs with; undefined for a kind of key that schema 1 does not have. */
export function algorithmFor(key: KeyObject): Algorithm | undefined {
  const { kty, crv } = publicKeyOf(key).export({ format: 'jwk' });
  if (kty === 'RSA') return 'RS256';
  return Object.keys(algorithms).find((name): name is Algorithm => crv === algorithmParts(name)?.curve?.name);
}

const common = {
  kid: z.optional(z.string()),
  // A private key has no place here.
  d: z.optional(z.never()),
};

const keySchema = z.discriminatedUnion('kty', [
  z.object({ ...common, kty: z.literal('EC'), crv: z.enum(['P-256', 'P-384', 'P-521']), x: z.string(), y: z.string() }),
  z.object({ ...common, kty: z.literal('RSA'), n: z.string(), e: z.string() }),
]);

/**
 * Reads a public key as a signature carries it (RFC 7517): its coordinates whole, its id that of libtrust.
 * @throws Error with what is wrong.
 */
export function readJwk(value: unknown): KeyObject {
  const result = keySchema.safeParse(value);
  if (!result.success) throw new Error(`the key is malformed at ${result.error.issues[0]?.path.join('.') || 'top'}`);
  const { kid, d: _, ...jwk } = result.data;
  if (jwk.kty === 'EC' && ![jwk.x, jwk.y].every((part) => decodeBase64Url(part).length === coordinateBytes(jwk.crv)))
    throw new Error('the coordinates of the key are not whole');
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  if (kid !== undefined && kid !== keyIdOf(key)) throw new Error('the key has the id of another one');
  return key;
}

function coordinateBytes(curve: string): number | undefined {
  return Object.values(algorithms).find((parts) => parts.curve?.name === curve)?.curve?.bytes;
}

/** The key of the first of some certificates in base64; who vouches for it is not looked at. @throws Error. */
export function readCertificates([leaf = '']: readonly string[]): KeyObject {
  return new X509Certificate(Buffer.from(leaf, 'base64')).publicKey;
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/**
 * libtrust's id of a key: the first 240 bits of the sha256 of the public key in DER, in base32 by fours, `ABCD:EFGH:…`.
 */
export function keyIdOf(key: KeyObject): string {
  const der = publicKeyOf(key).export({ type: 'spki', format: 'der' });
  const bits = [...createHash('sha256').update(der).digest().subarray(0, 30)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('');
  const letters = (bits.match(/.{5}/g) ?? []).map((five) => base32[Number.parseInt(five, 2)]).join('');
  return (letters.match(/.{4}/g) ?? []).join(':');
}

/** The public half of a key. */
export function publicKeyOf(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key;
}
