import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { DrayError } from '../errors.ts';
import { type Descriptor, describe } from '../spec/descriptor.ts';
import { encodedOf } from '../spec/digest.ts';
import { parseDocument } from '../spec/documents.ts';
import { compressionOf, isNonDistributable, mediaTypes } from '../spec/media-types.ts';
import { encodeJson, type Json, RawJson, rawMembers, sortedByKey } from './json.ts';
import { unlessEmpty } from './oci-config.ts';
import { goTime, noTime } from './time.ts';

/** The layer that stands for no change: what Docker's clients and registries make up, byte for byte. */
export const emptyLayer: Uint8Array = Buffer.from(
  '1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000',
  'hex',
);

/** An image whose config and layers are at hand. */
export interface ImageParts {
  /** The bytes of the config. */
  readonly config: Uint8Array;
  /** Those of the manifest, oldest first. */
  readonly layers: readonly Descriptor[];
}

/** What a schema 1 manifest says of itself. */
export interface Schema1Name {
  /** The repository without its host. */
  readonly name: string;
  readonly tag: string;
}

/** A schema 1 manifest that was written, not signed yet. */
export interface WrittenSchema1 {
  readonly payload: Uint8Array;
  /** The layers that it names, each once; {@link emptyLayer} is among them when it is needed. */
  readonly layers: readonly Descriptor[];
}

const historySchema = z.object({
  created: z.nullish(z.string()),
  created_by: z.nullish(z.string()),
  author: z.nullish(z.string()),
  comment: z.nullish(z.string()),
  empty_layer: z.nullish(z.boolean()),
});

const configSchema = z.object({
  architecture: z.nullish(z.string()),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.nullish(z.array(z.string())) }),
  history: z.nullish(z.array(historySchema)),
});

type Step = z.infer<typeof historySchema> & { readonly blob: Descriptor };

/**
 * Writes an image as schema 1, for registries and clients that know nothing newer; byte for byte what Docker's registry makes of
 * it for such clients. What made the newest layer is lost, since there is no place for it.
 * @throws DrayError `not-implemented` for an image that old clients could not read: with layers in zstd, for example, or with no
 * layers; `failed-precondition` when its history does not fit its layers; `invalid-argument`, reason `bad-document`.
 */
export function writeSchema1({ config, layers }: ImageParts, { name, tag }: Schema1Name): WrittenSchema1 {
  const { architecture, rootfs, history } = parseDocument(configSchema, config, 'image config');
  for (const layer of layers) checkLayer(layer);
  if (rootfs.diff_ids?.length !== layers.length) throw unfit(`it names ${rootfs.diff_ids?.length ?? 0} layers`, layers);
  const steps = stepsOf(history ?? [], layers);
  const texts = v1Texts(steps, Buffer.from(config).toString());
  const document = {
    schemaVersion: 1,
    name,
    tag,
    architecture: architecture ?? '',
    fsLayers: steps.map(({ blob }) => ({ blobSum: blob.digest })).reverse(),
    history: texts.map((text) => ({ v1Compatibility: text })).reverse(),
  };
  const named = new Map(steps.map(({ blob }) => [blob.digest, blob]));
  return { payload: Buffer.from(encodeJson(document, '   ')), layers: [...named.values()] };
}

function checkLayer(layer: Descriptor): void {
  const { mediaType, digest, size } = layer;
  const compression = compressionOf(mediaType);
  const isReadable = compression !== undefined && compression !== 'zstd' && !mediaType.includes('+encrypted');
  if (isReadable && !isNonDistributable(mediaType) && digest.startsWith('sha256:')) return;
  throw new DrayError('not-implemented', `schema 1 cannot have the layer ${digest} (${mediaType})`, {
    descriptor: { mediaType, digest, size },
    hint: 'what reads schema 1 reads layers in gzip and uncompressed ones, named by sha256',
  });
}

function stepsOf(history: readonly z.infer<typeof historySchema>[], layers: readonly Descriptor[]): Step[] {
  const count = history.filter(({ empty_layer: isEmpty }) => isEmpty !== true).length;
  if (history.length === 0 || count !== layers.length) throw unfit(`its history has ${count} layers`, layers);
  const blobs = layers.values();
  const empty = describe(mediaTypes.dockerLayerGzip, emptyLayer);
  return history.map((step) => ({ ...step, blob: (step.empty_layer !== true && blobs.next().value) || empty }));
}

function unfit(what: string, layers: readonly Descriptor[]): DrayError {
  return new DrayError('failed-precondition', `the config does not fit the manifest: ${what} of ${layers.length}`, {
    hint: 'schema 1 needs the history of every layer; an image without one has to be built again',
  });
}

/** The JSON of each layer, oldest first. Ids are made as Docker's registry makes them, from what is below and the config. */
function v1Texts(steps: readonly Step[], config: string): string[] {
  const texts: string[] = [];
  let parent = '';
  for (const [index, step] of steps.entries()) {
    const isNewest = index === steps.length - 1;
    const hex = encodedOf(step.blob.digest);
    const id = sha256([hex, parent, ...(isNewest ? [config] : [])].join(' '));
    texts.push(isNewest ? newestText(step, config, id, parent) : olderText(step, id, parent));
    parent = id;
  }
  return texts;
}

function olderText(step: Step, id: string, parent: string): string {
  return encodeJson({
    id,
    parent: unlessEmpty(parent),
    comment: unlessEmpty(step.comment),
    created: step.created ? goTime(step.created) : noTime,
    container_config: { Cmd: [step.created_by ?? ''] },
    author: unlessEmpty(step.author),
    throwaway: step.empty_layer || undefined,
  });
}

function newestText(step: Step, config: string, id: string, parent: string): string {
  const members: Map<string, Json> = rawMembers(config);
  for (const key of ['rootfs', 'history']) members.delete(key);
  members.set('id', id);
  if (parent !== '') members.set('parent', parent);
  if (step.empty_layer === true) members.set('throwaway', new RawJson('true'));
  return encodeJson(sortedByKey(members));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
