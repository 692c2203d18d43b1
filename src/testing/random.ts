import { createCipheriv, createHash } from 'node:crypto';
import type { Descriptor } from '../spec/descriptor.ts';
import { describe } from '../spec/descriptor.ts';
import { mediaTypes } from '../spec/media-types.ts';

/** The same `size` bytes for the same seed, without any pattern that compresses. */
export function randomBytes(size: number, seed: string): Uint8Array {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

/** As {@link randomBytes}, in chunks, for what does not fit into memory. */
export async function* randomStream(
  size: number,
  seed: string,
  chunkSize: number = 1024 * 1024,
): AsyncGenerator<Uint8Array> {
  const key = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(chunkSize);
  for (let left = size; left > 0; left -= chunkSize)
    yield cipher.update(left < chunkSize ? zeros.subarray(0, left) : zeros);
}

/** A part of what {@link randomStream} gives for that seed, wherever it begins. */
export function* randomRange(start: number, end: number, seed: string): Generator<Uint8Array> {
  const key = createHash('sha256').update(seed).digest();
  const counter = Buffer.alloc(16);
  counter.writeBigUInt64BE(BigInt(Math.floor(start / 16)), 8);
  const cipher = createCipheriv('aes-256-ctr', key, counter);
  cipher.update(Buffer.alloc(start % 16));
  const zeros = Buffer.alloc(256 * 1024);
  for (let at = start; at < end; at += zeros.byteLength) {
    yield cipher.update(zeros.subarray(0, Math.min(zeros.byteLength, end - at)));
  }
}

/** A blob made for a test. */
export interface RandomBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** A blob of random bytes. */
export function randomBlob(size: number, seed: string, mediaType: string = mediaTypes.octetStream): RandomBlob {
  const bytes = randomBytes(size, seed);
  return { descriptor: describe(mediaType, bytes), bytes };
}

/** How to make an image. */
export interface RandomImageOptions {
  readonly seed: string;
  /** Sizes of the layers in bytes; two of 1000 if not said. */
  readonly layers?: readonly number[] | undefined;
  /** `os/arch` for each manifest; more than one makes an index. */
  readonly platforms?: readonly string[] | undefined;
  readonly family?: 'oci' | 'docker' | undefined;
}

/** An image made for a test: its root, and every object of it. The layers are no tar files. */
export interface RandomImage {
  readonly root: Descriptor;
  readonly blobs: readonly RandomBlob[];
}

/** An image of random layers: a manifest, or an index over one for each platform. The same seed gives the same bytes. */
export function randomImage({
  seed,
  layers = [1000, 1000],
  platforms = ['linux/amd64'],
  family = 'oci',
}: RandomImageOptions): RandomImage {
  const types = familyTypes[family];
  const blobs: RandomBlob[] = [];
  const manifests = platforms.map((platform) => {
    const [os = 'linux', architecture = 'amd64', variant] = platform.split('/');
    const content = layers.map((size, index) => randomBlob(size, `${seed} ${platform} ${index}`, types.layer));
    const rootfs = { type: 'layers', diff_ids: content.map((layer) => layer.descriptor.digest) };
    const described = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    const config = document(types.config, { ...described, rootfs, config: { Labels: { seed } } });
    const manifest = document(types.manifest, {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: config.descriptor,
      layers: content.map((layer) => layer.descriptor),
    });
    blobs.push(...content, config, manifest);
    return { ...manifest.descriptor, platform: described };
  });
  const [only] = manifests;
  if (manifests.length === 1 && only !== undefined) {
    const { platform: _, ...root } = only;
    return { root, blobs };
  }
  const index = document(types.index, { schemaVersion: 2, mediaType: types.index, manifests });
  return { root: index.descriptor, blobs: [...blobs, index] };
}

/** A JSON document as a blob. */
export function document(mediaType: string, value: unknown): RandomBlob {
  const bytes = Buffer.from(JSON.stringify(value));
  return { descriptor: describe(mediaType, bytes), bytes };
}

const familyTypes = {
  oci: {
    index: mediaTypes.ociIndex,
    manifest: mediaTypes.ociManifest,
    config: mediaTypes.ociConfig,
    layer: mediaTypes.ociLayer,
  },
  docker: {
    index: mediaTypes.dockerManifestList,
    manifest: mediaTypes.dockerManifest,
    config: mediaTypes.dockerConfig,
    layer: mediaTypes.dockerLayer,
  },
} as const;
