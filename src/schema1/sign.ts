import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { DrayError } from '../errors.ts';
import { badDocument } from '../spec/documents.ts';
import { encodeJson, type Json, sortedByKey } from './json.ts';
import { algorithmFor, algorithmParts, keyIdOf, publicKeyOf } from './key.ts';
import { signatureForm } from './signature.ts';

/**
 * Signs a manifest, as registries of schema 1 ask for it; the digest stays that of the payload. The private keys are on one of
 * the curves P-256, P-384 and P-521, or RSA.
 * @throws DrayError `invalid-argument` for no key or one of another kind; reason `bad-document` for a payload that is no JSON
 * object with something in it.
 */
export function signSchema1(payload: Uint8Array, ...keys: readonly KeyObject[]): Uint8Array {
  if (keys.length === 0) throw new DrayError('invalid-argument', 'a manifest is signed with at least one key');
  const text = Buffer.from(payload).toString('latin1');
  const [, indent] = /^\{\n([ \t]+)"/.exec(text) ?? [];
  const formatLength = text.replace(/\s*\}\s*$/, '').length;
  if (formatLength === text.length || /[{,]$/.test(text.slice(0, formatLength)))
    throw badDocument('schema 1 manifest', 'it is no JSON object that could be signed');
  const format = { formatLength, formatTail: encoded(payload.subarray(formatLength)), time: now() };
  const protectedHeader = encoded(Buffer.from(encodeJson(format)));
  const signed = Buffer.from(`${protectedHeader}.${encoded(payload)}`);
  const signatures = keys.map((key) => ({ ...signatureWith(key, signed), protected: protectedHeader }));
  const member =
    indent === undefined
      ? `,"signatures":${encodeJson(signatures)}}`
      : `,\n${indent}"signatures": ${encodeJson(signatures, indent, indent)}\n}`;
  return Buffer.concat([payload.subarray(0, formatLength), Buffer.from(member)]);
}

/** A key for one signature, as most signatures of schema 1 were made: it proves nothing and nobody keeps it. */
export function ephemeralKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function signatureWith(key: KeyObject, data: Buffer): { header: Json; signature: string } {
  const algorithm = key.type === 'private' ? algorithmFor(key) : undefined;
  const parts = algorithm === undefined ? undefined : algorithmParts(algorithm);
  if (algorithm === undefined || parts === undefined)
    throw new DrayError(
      'invalid-argument',
      'schema 1 is signed with a private key on P-256, P-384 or P-521, or of RSA',
    );
  const jwk = { ...publicKeyOf(key).export({ format: 'jwk' }), kid: keyIdOf(key) };
  const signature = sign(parts.hash, data, { key, ...signatureForm });
  return {
    header: { jwk: sortedByKey(Object.entries(jwk as Record<string, string>)), alg: algorithm },
    signature: encoded(signature),
  };
}

function encoded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
