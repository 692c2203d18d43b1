import { constants, type KeyObject, verify } from 'node:crypto';
import * as z from 'zod/mini';
import { DrayError } from '../errors.ts';
import type { Schema1Signature } from '../spec/schema1.ts';
import { decodeBase64Url } from '../spec/schema1.ts';
import { algorithmFor, algorithmParts, keyIdOf, readCertificates, readJwk } from './key.ts';
import type { Schema1Manifest } from './manifest.ts';

/** What was found of one signature. */
export interface SignatureVerdict {
  readonly algorithm?: string | undefined;
  /** libtrust's id of the key, once that could be read. */
  readonly keyId?: string | undefined;
  /** What is wrong with it; undefined when nothing is. */
  readonly problem?: string | undefined;
}

/** What was found of the signatures of a manifest. */
export interface Schema1Verdict {
  /**
   * `valid`: it is signed, and each of its signatures is right. It says that nobody changed the payload since, and nothing of
   * who signed it: the keys are in the document, and registries sign with one that they make up. `invalid`: one of the
   * signatures is wrong. `unsigned`: there are none.
   */
  readonly state: 'valid' | 'invalid' | 'unsigned';
  readonly signatures: readonly SignatureVerdict[];
}

const headerSchema = z.looseObject({
  alg: z.string(),
  jwk: z.optional(z.unknown()),
  x5c: z.optional(z.array(z.string()).check(z.minLength(1))),
});

/** Looks at each signature of a manifest: ES256, ES384, ES512, RS256, RS384 or RS512 with the key that it carries. */
export function verifySchema1({
  payload,
  signatures,
}: Pick<Schema1Manifest, 'payload' | 'signatures'>): Schema1Verdict {
  const encoded = Buffer.from(payload).toString('base64url');
  const found = signatures.map((signature) => verdictOn(signature, encoded));
  if (found.length === 0) return { state: 'unsigned', signatures: [] };
  return { state: found.every(({ problem }) => problem === undefined) ? 'valid' : 'invalid', signatures: found };
}

/**
 * Refuses a manifest of which a signature is wrong. One that is not signed passes.
 * @throws DrayError `data-loss`, reason `bad-document`.
 */
export function checkSignatures(manifest: Schema1Manifest): void {
  const { state, signatures } = verifySchema1(manifest);
  if (state !== 'invalid') return;
  const { problem, keyId = 'an unknown key' } = signatures.find((one) => one.problem !== undefined) ?? {};
  throw new DrayError('data-loss', `schema 1 manifest ${manifest.digest} is not what ${keyId} signed: ${problem}`, {
    reason: 'bad-document',
    side: 'source',
    hint: 'if somebody edited it on purpose and only its digest counts: --schema1-signatures ignore',
  });
}

function verdictOn(signature: Schema1Signature, payload: string): SignatureVerdict {
  const result = headerSchema.safeParse(signature.header);
  if (!result.success) return { problem: 'its header is malformed' };
  const { alg: algorithm, jwk, x5c } = result.data;
  let keyId: string | undefined;
  try {
    const key = x5c === undefined ? readJwk(jwk) : readCertificates(x5c);
    keyId = keyIdOf(key);
    if (typeof signature.signature !== 'string') return { algorithm, keyId, problem: 'the signature is no text' };
    const bytes = decodeBase64Url(signature.signature);
    if (isRight(algorithm, key, Buffer.from(`${signature.protected}.${payload}`), bytes)) return { algorithm, keyId };
    return { algorithm, keyId, problem: 'the signature is wrong' };
  } catch (error) {
    return { algorithm, keyId, problem: error instanceof Error ? error.message : String(error) };
  }
}

function isRight(algorithm: string, key: KeyObject, data: Buffer, signature: Buffer): boolean {
  const parts = algorithmParts(algorithm);
  if (parts === undefined) throw new Error(`the algorithm ${JSON.stringify(algorithm.slice(0, 20))} is not known`);
  const fits = parts.curve === undefined ? key.asymmetricKeyType === 'rsa' : algorithmFor(key) === algorithm;
  if (!fits) throw new Error(`the key is none for ${algorithm}`);
  if (parts.curve !== undefined && signature.length !== 2 * parts.curve.bytes) return false;
  return verify(parts.hash, data, { key, ...signatureForm }, signature);
}

/** How signatures are written: for curves both numbers with all their bytes, for RSA as PKCS #1 1.5 says (RFC 7518, 3.3, 3.4). */
export const signatureForm: { readonly dsaEncoding: 'ieee-p1363'; readonly padding: number } = {
  dsaEncoding: 'ieee-p1363',
  padding: constants.RSA_PKCS1_PADDING,
};
