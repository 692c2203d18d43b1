import * as z from 'zod/mini';
import { badDocument, parseDocument, parseObject } from './documents.ts';
import { isSchema1 } from './media-types.ts';

/**
 * What a signed Docker schema 1 manifest is over. Its signatures are inside of the document (JSON web signatures in libtrust's
 * "pretty" form), and neither they nor the digest are over themselves: both are over the payload, which the document was before
 * it was signed (distribution's manifest-v2-1.md, Signed Manifests).
 */

/** The most signatures a manifest may have. */
const signatureLimit = 100;

const signedSchema = z.looseObject({
  signatures: z
    .array(
      z.looseObject({
        protected: z.string(),
        signature: z.optional(z.unknown()),
        header: z.optional(z.unknown()),
      }),
    )
    .check(z.minLength(1), z.maxLength(signatureLimit)),
});

const protectedSchema = z.looseObject({ formatLength: z.int().check(z.positive()), formatTail: z.string() });

/** One signature as it was written; nothing of it has been checked. */
export interface Schema1Signature {
  /** Base64url of the protected header. */
  readonly protected: string;
  readonly signature?: unknown;
  readonly header?: unknown;
}

/** A schema 1 manifest, taken apart. */
export interface Schema1Parts {
  /** What digest and signatures are over. Nothing outside of it may be believed. */
  readonly payload: Uint8Array;
  /** None when the manifest is not signed. */
  readonly signatures: readonly Schema1Signature[];
}

/**
 * Takes a schema 1 manifest apart; one without signatures is its own payload. All signatures have to be over the same payload.
 * @throws DrayError `invalid-argument` with reason `bad-document`.
 */
export function splitSchema1(bytes: Uint8Array): Schema1Parts {
  if (!('signatures' in parseObject(bytes, what))) return { payload: bytes, signatures: [] };
  const { signatures } = parseDocument(signedSchema, bytes, what);
  const [first, ...others] = signatures.map((signature) => payloadOf(bytes, signature));
  if (first === undefined || others.some((payload) => Buffer.compare(payload, first) !== 0))
    throw badDocument(what, 'its signatures are over different payloads');
  return { payload: first, signatures };
}

/** The bytes that the digest of a document is over: all of them, or the payload of a schema 1 manifest. */
export function digestedBytes(mediaType: string, bytes: Uint8Array): Uint8Array {
  return isSchema1(mediaType) ? splitSchema1(bytes).payload : bytes;
}

/** Bytes of base64url without padding (RFC 7515, 2). @throws DrayError `invalid-argument` with reason `bad-document`. */
export function decodeBase64Url(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw badDocument(what, 'a part of a signature is not base64url');
  return bytes;
}

function payloadOf(bytes: Uint8Array, signature: Schema1Signature): Buffer {
  const header = decodeBase64Url(signature.protected);
  const { formatLength, formatTail } = parseDocument(protectedSchema, header, 'protected header');
  if (formatLength > bytes.byteLength) throw badDocument(what, 'a signature is over more than there is');
  return Buffer.concat([bytes.subarray(0, formatLength), decodeBase64Url(formatTail)]);
}

const what = 'schema 1 manifest';
