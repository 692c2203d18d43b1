import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** Signatures made step by step, so that a test can make wrong ones too. */

/** Who signs, and what is to be wrong with it. */
export interface Signer {
  readonly algorithm: string;
  readonly key: KeyObject;
  /** Goes over the header. */
  readonly header?: Readonly<Record<string, unknown>> | undefined;
  /** Goes over the key in the header; a member that is undefined is left out. */
  readonly jwk?: Readonly<Record<string, unknown>> | undefined;
  /** Goes over the protected header. */
  readonly protected?: Readonly<Record<string, unknown>> | undefined;
  readonly encoding?: 'ieee-p1363' | 'der' | undefined;
}

/** Signs a JSON object that ends with a brace, as libtrust does. */
export function signedByHand(payload: Uint8Array, ...signers: readonly Signer[]): Buffer {
  const text = Buffer.from(payload).toString();
  const length = text.replace(/\s*\}\s*$/, '').length;
  const tail = text.slice(length);
  const signatures = signers.map(({ algorithm, key, header, jwk, encoding = 'ieee-p1363', ...rest }) => {
    const format = { formatLength: length, formatTail: base64(tail), time: '2016-01-02T03:04:05Z', ...rest.protected };
    const protectedHeader = base64(JSON.stringify(format));
    const data = Buffer.from(`${protectedHeader}.${base64(text)}`);
    const hash = `sha${algorithm.slice(-3)}`;
    const signature = sign(/^sha\d+$/.test(hash) ? hash : null, data, {
      key,
      dsaEncoding: encoding,
      ...(key.asymmetricKeyType === 'rsa' ? { padding: constants.RSA_PKCS1_PADDING } : {}),
    });
    return {
      header: { jwk: { ...createPublicKey(key).export({ format: 'jwk' }), ...jwk }, alg: algorithm, ...header },
      signature: signature.toString('base64url'),
      protected: protectedHeader,
    };
  });
  return Buffer.from(`${text.slice(0, length)},"signatures":${JSON.stringify(signatures)}${tail}`);
}

/** A private key for an algorithm. */
export function keyFor(algorithm: string): KeyObject {
  const curve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[algorithm];
  if (curve !== undefined) return generateKeyPairSync('ec', { namedCurve: curve }).privateKey;
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64url');
}
