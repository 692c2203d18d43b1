import { DrayError } from '../errors.ts';
import type { MadeDocument } from '../oci/archive-contents.ts';
import { dockerLayerTypes, type Family } from '../oci/family.ts';
import { type Descriptor, describe } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { mediaTypes } from '../spec/media-types.ts';
import { containerdRules } from './containerd-rules.ts';
import type { Schema1Manifest, V1History } from './manifest.ts';
import type { HistoryItem } from './oci-config.ts';
import type { LayerContent, PlannedEntry, Rules } from './rules.ts';
import { skopeoRules } from './skopeo-rules.ts';
import { goTime, noTime } from './time.ts';

/** Whose conversion it is to be, where the tools disagree (docs/schema1.md). */
export type ConversionMode = 'containerd' | 'skopeo';

/** What a conversion makes. */
export interface ConversionOptions {
  /** `containerd` if not said. */
  readonly mode?: ConversionMode | undefined;
  /** Whose config and manifest; those of the OCI if not said. */
  readonly family?: Family | undefined;
}

/** A layer that was read. */
export interface ReadLayer extends LayerContent {
  /** Bytes of it as it is transferred. */
  readonly size: number;
}

/** A schema 1 image as one that every tool reads. */
export interface ConvertedImage {
  readonly manifest: MadeDocument;
  readonly config: MadeDocument;
  /** Oldest first, as in the manifest; a layer may come several times. */
  readonly layers: readonly Descriptor[];
}

const modes: Readonly<Record<ConversionMode, Rules>> = { containerd: containerdRules, skopeo: skopeoRules };

/**
 * The layers that have to be read to convert a manifest, oldest first and each once: all but those that it says are empty.
 * @throws DrayError `invalid-argument` with reason `bad-document` for a history that the mode refuses.
 */
export function layersToRead(manifest: Schema1Manifest, { mode = 'containerd' }: ConversionOptions = {}): Digest[] {
  const entries = modes[mode].entries(manifest).filter(({ isEmpty }) => !isEmpty);
  return [...new Set(entries.map(({ blob }) => blob))].reverse();
}

/**
 * Converts a manifest whose layers ({@link layersToRead}) were read.
 * @throws DrayError `invalid-argument` with reason `bad-document`; `failed-precondition` for a layer that is not given.
 */
export function convertDocument(
  manifest: Schema1Manifest,
  layers: ReadonlyMap<Digest, ReadLayer>,
  { mode = 'containerd', family = 'oci' }: ConversionOptions = {},
): ConvertedImage {
  const rules = modes[mode];
  const planned = rules.entries(manifest);
  const found = planned.map((entry) => layerOf(entry, layers, rules)).reverse();
  const described = found.flatMap((layer) => (layer === undefined ? [] : [describeLayer(layer, rules, family)]));
  const parts = {
    architecture: manifest.architecture,
    diffIds: found.flatMap((layer) => (layer === undefined ? [] : [layer.diffId])),
    history: planned.toReversed().map(({ history }, index) => historyItem(history, found[index] === undefined)),
  };
  const config = document(configTypes[family], rules.config(planned[0]?.text ?? '', parts, family));
  const text = rules.manifest(config.descriptor, described, family);
  return { manifest: document(manifestTypes[family], text), config, layers: described };
}

interface FoundLayer extends ReadLayer {
  readonly digest: Digest;
}

function layerOf(
  { blob, isEmpty }: PlannedEntry,
  layers: ReadonlyMap<Digest, ReadLayer>,
  rules: Rules,
): FoundLayer | undefined {
  if (isEmpty) return undefined;
  const layer = layers.get(blob);
  if (layer === undefined)
    throw new DrayError('failed-precondition', `layer ${blob} has to be read before a conversion`);
  return rules.leavesOut(layer) ? undefined : { ...layer, digest: blob };
}

function describeLayer({ packing, digest, size }: FoundLayer, rules: Rules, family: Family): Descriptor {
  return { mediaType: rules.layerType(dockerLayerTypes[packing], family), digest, size };
}

function historyItem({ created, command, author, comment }: V1History, isEmpty: boolean): HistoryItem {
  const time = created === undefined ? noTime : goTime(created);
  return { created: time, createdBy: command.join(' '), author, comment, isEmpty };
}

function document(mediaType: string, text: string): MadeDocument {
  const bytes = Buffer.from(text);
  return { descriptor: describe(mediaType, bytes), bytes };
}

const configTypes = { oci: mediaTypes.ociConfig, docker: mediaTypes.dockerConfig };
const manifestTypes = { oci: mediaTypes.ociManifest, docker: mediaTypes.dockerManifest };
