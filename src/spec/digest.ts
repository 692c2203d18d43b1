import { createHash, type Hash } from 'node:crypto';
import { blake3 } from '@noble/hashes/blake3.js';
import { DrayError } from '../errors.ts';

/**
 * A content digest, `<algorithm>:<encoded>`, as the image specification defines it (descriptor.md, Digests). A value of
 * this type has the grammar; {@link parseDigest} also makes sure that dray can compute its algorithm.
 */
export type Digest = `${string}:${string}`;

/** The algorithms dray computes. sha384 is not registered by the specification but accepted by containerd. */
export type Algorithm = 'sha256' | 'sha384' | 'sha512' | 'blake3';

const hexLengths: Readonly<Record<Algorithm, number>> = { sha256: 64, sha384: 96, sha512: 128, blake3: 64 };

/** What writers use when nobody names an algorithm. */
export const canonicalAlgorithm: Algorithm = 'sha256';

/** Every supported algorithm. */
export const algorithms: readonly Algorithm[] = ['sha256', 'sha384', 'sha512', 'blake3'];

/** Grammar of any digest, registered or not (image-spec descriptor.md). The parts cannot hold `/`, so they are safe in a path. */
export const digestPattern: RegExp = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

const maximumLength = 1024;

/** Whether `text` is a digest that dray can verify: a supported algorithm and lower-case hex of the exact length. */
export function isDigest(text: string): text is Digest {
  return problemOf(text) === undefined;
}

/**
 * `text` as a digest that can be verified.
 * @throws DrayError `invalid-argument` when it is malformed or its algorithm is not supported.
 */
export function parseDigest(text: string): Digest {
  const problem = problemOf(text);
  if (problem !== undefined) {
    const shown = typeof text !== 'string' || text.length <= 100 ? text : `${text.slice(0, 100)}…`;
    throw new DrayError('invalid-argument', `invalid digest ${JSON.stringify(shown)}: ${problem}`, {
      hint: 'a digest looks like sha256: followed by 64 lower-case hexadecimal digits',
    });
  }
  return text as Digest;
}

/**
 * The algorithm of a digest that is going to be used.
 * @throws DrayError `invalid-argument` as {@link parseDigest} does.
 */
export function algorithmOf(digest: Digest): Algorithm {
  return parseDigest(digest).slice(0, digest.indexOf(':')) as Algorithm;
}

/** The part behind the colon. */
export function encodedOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The first twelve characters of the encoded part, with the algorithm: for people. */
export function shortDigest(digest: Digest): string {
  const colon = digest.indexOf(':');
  return digest.slice(0, colon + 13);
}

/** A digest over bytes that come one after another. */
export interface Hasher {
  update(chunk: Uint8Array): void;
  /** The digest of what was given so far; more may follow. */
  digest(): Digest;
  /** Another one that has been given the same and goes on by itself. */
  copy(): Hasher;
}

/** A fresh {@link Hasher}; sha256 without a name. */
export function createHasher(algorithm: Algorithm = canonicalAlgorithm): Hasher {
  return algorithm === 'blake3' ? new Blake3Hasher() : new NativeHasher(algorithm);
}

/** The digest of bytes at hand. */
export function digestOf(bytes: Uint8Array | string, algorithm: Algorithm = canonicalAlgorithm): Digest {
  const hasher = createHasher(algorithm);
  hasher.update(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  return hasher.digest();
}

/** The digest of zero bytes. */
export function emptyDigest(algorithm: Algorithm = canonicalAlgorithm): Digest {
  return digestOf(new Uint8Array(0), algorithm);
}

class NativeHasher implements Hasher {
  readonly #algorithm: Algorithm;
  readonly #hash: Hash;

  constructor(algorithm: Algorithm, hash: Hash = createHash(algorithm)) {
    this.#algorithm = algorithm;
    this.#hash = hash;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.copy().digest('hex')}`;
  }

  copy(): Hasher {
    return new NativeHasher(this.#algorithm, this.#hash.copy());
  }
}

// OpenSSL has no blake3.
class Blake3Hasher implements Hasher {
  readonly #hash;

  constructor(hash: ReturnType<typeof blake3.create> = blake3.create()) {
    this.#hash = hash;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  digest(): Digest {
    return `blake3:${Buffer.from(this.#hash.clone().digest()).toString('hex')}`;
  }

  copy(): Hasher {
    return new Blake3Hasher(this.#hash.clone());
  }
}

/**
 * Whether a digest that a document names may be one: it has the grammar, and the form of its algorithm if dray knows that one
 * (descriptor.md: other algorithms pass, since they may be nobody's concern here).
 */
export function mayBeDigest(text: string): text is Digest {
  if (problemOf(text) === undefined) return true;
  return digestPattern.test(text) && !Object.hasOwn(hexLengths, text.slice(0, text.indexOf(':')));
}

function problemOf(text: string): string | undefined {
  if (typeof text !== 'string' || text.length > maximumLength || !digestPattern.test(text)) return 'malformed';
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  if (!Object.hasOwn(hexLengths, algorithm)) return `unsupported algorithm ${algorithm}`;
  const encoded = text.slice(colon + 1);
  const length = hexLengths[algorithm as Algorithm];
  if (encoded.length !== length) return `${algorithm} has ${length} hexadecimal digits, not ${encoded.length}`;
  return /^[a-f0-9]+$/.test(encoded) ? undefined : 'only lower-case hexadecimal digits are allowed';
}
