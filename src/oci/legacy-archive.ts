import * as z from 'zod/mini';
import { collect } from '../content/documents.ts';
import type { Digest } from '../spec/digest.ts';
import { objectOf } from '../spec/schemas.ts';
import type { ArchiveContents, MadeDocument } from './archive-contents.ts';
import { badArchive, incomplete, shown } from './archive-error.ts';
import type { ArchiveImage } from './archive-image.ts';
import type { ArchiveFile, Catalog } from './catalog.ts';
import {
  type DockerOptions,
  describeConfig,
  LayerReader,
  makeManifest,
  namedImages,
  parseJson,
} from './docker-archive.ts';

const repositoriesSchema = z.record(z.string(), z.record(z.string(), z.string()));

const layerSchema = objectOf({
  parent: z.nullish(z.string()),
  created: z.nullish(z.string()),
  author: z.nullish(z.string()),
  comment: z.nullish(z.string()),
  container_config: z.nullish(z.looseObject({ Cmd: z.nullish(z.array(z.string())) })),
});

type Layer = z.infer<typeof layerSchema>;

/** The longest chain of layers; Docker never made one of more than 127. */
const chainLimit = 1000;

/**
 * The images of an archive of Docker before 1.10: `repositories` names the top layer of each tag, and each layer has a
 * directory with its `json`, which names its parent, and its `layer.tar`. A config is made from those as Docker did when it
 * migrated such images, and a manifest as for later archives.
 * @throws DrayError `invalid-argument`, reason `bad-archive` or `bad-document`.
 */
export async function legacyContents(
  catalog: Catalog,
  repositories: Uint8Array,
  options: DockerOptions = {},
): Promise<ArchiveContents> {
  const images: ArchiveImage[] = [];
  const documents: MadeDocument[] = [];
  const layers = new LayerReader(options);
  for (const [top, tags] of tagsByLayer(repositories)) {
    const chain = await chainOf(catalog, top, options);
    const bytes = await makeConfig(chain, layers);
    const config = describeConfig(bytes);
    const files = chain.map(({ file }) => file);
    const made = await makeManifest(config, files, layers);
    documents.push({ descriptor: config.descriptor, bytes }, made);
    images.push(...namedImages(made.descriptor, config, tags));
  }
  if (images.length === 0) throw badArchive('its repositories list no image');
  return { format: 'docker-v1', images, documents };
}

function tagsByLayer(bytes: Uint8Array): Map<string, string[]> {
  const result = repositoriesSchema.safeParse(parseJson(bytes, 'repositories'));
  if (!result.success) throw badArchive('repositories has the wrong shape');
  const found = new Map<string, string[]>();
  for (const [repository, tags] of Object.entries(result.data)) {
    for (const [tag, top] of Object.entries(tags)) found.set(top, [...(found.get(top) ?? []), `${repository}:${tag}`]);
  }
  return found;
}

interface ChainLink {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly layer: Layer;
  readonly file: ArchiveFile;
}

async function chainOf(catalog: Catalog, top: string, options: DockerOptions): Promise<ChainLink[]> {
  const chain: ChainLink[] = [];
  for (let id: string | null | undefined = top; id; ) {
    if (!/^[a-f0-9]{64}$/.test(id)) throw badArchive(`${shown(id)} is no layer ID`);
    if (chain.length >= chainLimit) throw badArchive(`more than ${chainLimit} layers on top of each other`);
    const json = catalog.file(`${id}/json`);
    const file = catalog.file(`${id}/layer.tar`);
    if (json === undefined || file === undefined) throw incomplete(`layer ${id} is not in it`);
    const raw = parseJson(await collect(json.open(), options.documentLimit), `${id}/json`);
    const result = layerSchema.safeParse(raw);
    if (!result.success) throw badArchive(`${id}/json has the wrong shape`);
    chain.unshift({ raw: raw as Record<string, unknown>, layer: result.data, file });
    id = result.data.parent;
  }
  return chain;
}

/** Keys of a layer's JSON that say something of the layer and nothing of the image. */
export const layerKeys: ReadonlySet<string> = new Set(['id', 'parent', 'Size', 'parent_id', 'layer_id', 'throwaway']);

async function makeConfig(chain: readonly ChainLink[], layers: LayerReader): Promise<Uint8Array> {
  const diffIds: Digest[] = [];
  for (const { file } of chain) diffIds.push(await layers.diffId(file));
  const kept = Object.entries(chain.at(-1)?.raw ?? {}).filter(([key]) => !layerKeys.has(key));
  const config = {
    os: 'linux',
    architecture: 'amd64',
    ...Object.fromEntries(kept),
    history: chain.map(({ layer }) => historyOf(layer)),
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
  const sorted = Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify(Object.fromEntries(sorted)));
}

function historyOf({ created, author, comment, container_config }: Layer): Record<string, string> {
  const entries = {
    created,
    created_by: container_config?.Cmd?.join(' '),
    author,
    comment,
  };
  return Object.fromEntries(Object.entries(entries).flatMap(([key, value]) => (value ? [[key, value]] : [])));
}
