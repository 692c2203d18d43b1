import type { Digest } from './digest.ts';
import { algorithmOf, digestOf } from './digest.ts';
import type { Platform } from './platform.ts';

/** What names a blob: its type, digest and size in bytes (image-spec descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** Other places to get the bytes from. Never asked with credentials. */
  readonly urls?: readonly string[] | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The bytes themselves, in base64. */
  readonly data?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly platform?: Platform | undefined;
}

/** The descriptor of bytes, or of a text in UTF-8, at hand. */
export function describe(mediaType: string, bytes: Uint8Array | string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: Buffer.byteLength(bytes) };
}

/** Only what identifies the bytes: type, digest, size. */
export function bare(descriptor: Descriptor): Descriptor {
  return { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size };
}

/**
 * The inline bytes of a descriptor, when they are there and have its size and digest.
 * @throws DrayError `invalid-argument` for a digest that cannot be verified.
 */
export function inlineData(descriptor: Descriptor): Uint8Array | undefined {
  if (descriptor.data === undefined) return undefined;
  const bytes = Buffer.from(descriptor.data, 'base64');
  if (bytes.byteLength !== descriptor.size) return undefined;
  return digestOf(bytes, algorithmOf(descriptor.digest)) === descriptor.digest ? bytes : undefined;
}
