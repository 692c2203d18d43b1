import type { Family } from '../oci/family.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { encodeJson, type Json } from './json.ts';
import type { Schema1Entry, Schema1Manifest } from './manifest.ts';
import type { ConfigParts } from './oci-config.ts';

/** What is known of a layer once somebody has read it. */
export interface LayerContent {
  /** The digest of its bytes, unpacked. */
  readonly diffId: Digest;
  /** How they are packed. */
  readonly packing: 'none' | 'gzip' | 'zstd';
  /** Whether nothing but zeros comes out: a tar file with nothing in it. */
  readonly isBlank: boolean;
}

/** An entry of a manifest as a tool reads it. */
export interface PlannedEntry extends Schema1Entry {
  /** Empty as the document says: its layer is not read and no part of the image. */
  readonly isEmpty: boolean;
}

/** How one tool converts. */
export interface Rules {
  /**
   * The entries that count, newest first.
   * @throws DrayError `invalid-argument` with reason `bad-document` for a history that the tool refuses.
   */
  entries(manifest: Schema1Manifest): readonly PlannedEntry[];
  /** Whether a layer is no part of the image after a look into it. */
  leavesOut(content: LayerContent): boolean;
  /** The media type of a layer, from Docker's. */
  layerType(dockerType: string, family: Family): string;
  /** The config, from the JSON of the newest entry. */
  config(top: string, parts: ConfigParts, family: Family): string;
  manifest(config: Descriptor, layers: readonly Descriptor[], family: Family): string;
}

/** What a manifest is written from. */
export interface ManifestParts {
  readonly mediaType: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  /** The keys of descriptors, in the order in which they are written. */
  readonly keys: readonly ('mediaType' | 'digest' | 'size')[];
  readonly indent?: string | undefined;
}

/** The text of a manifest. */
export function encodeManifest({ mediaType, config, layers, keys, indent }: ManifestParts): string {
  const ordered = (descriptor: Descriptor): Json => Object.fromEntries(keys.map((key) => [key, descriptor[key]]));
  return encodeJson({ schemaVersion: 2, mediaType, config: ordered(config), layers: layers.map(ordered) }, indent);
}
