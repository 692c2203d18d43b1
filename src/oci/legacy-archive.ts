import * as z from 'zod/mini';
import { collect } from '../content/documents.ts';
import type { Digest } from '../spec/digest.ts';
import { objectOf } from '../spec/schemas.ts';
import type { ArchiveContents } from './archive-contents.ts';
import { badArchive, incomplete, shown } from './archive-error.ts';
import type { ArchiveFile, Catalog } from './catalog.ts';
import { type DockerOptions, describeConfig, type LayerReader, MadeImages, parseJson } from './docker-archive.ts';

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
  const made = new MadeImages(options);
  const chains = new Chains(catalog, options);
  for (const [top, tags] of tagsByLayer(repositories)) {
    const chain = await chains.below(top);
    const bytes = await makeConfig(chain, made.layers);
    const config = describeConfig(bytes);
    made.documents.push({ descriptor: config.descriptor, bytes });
    const files = chain.map(({ file }) => file);
    await made.add(config, files, tags);
  }
  if (made.images.length === 0) throw badArchive('its repositories list no image');
  return { format: 'docker-v1', images: made.images, documents: made.documents };
}

function tagsByLayer(bytes: Uint8Array): Map<string, string[]> {
  const result = repositoriesSchema.safeParse(parseJson(bytes, 'repositories'));
  if (!result.success) throw badArchive('repositories has the wrong shape');
  const found = new Map<string, string[]>();
  for (const [repository, tags] of Object.entries(result.data)) {
    for (const [tag, top] of Object.entries(tags)) {
      const names = found.get(top) ?? [];
      names.push(`${repository}:${tag}`);
      found.set(top, names);
    }
  }
  return found;
}

interface ChainLink {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly layer: Layer;
  readonly file: ArchiveFile;
}

/** The layers below a top one and itself, oldest first. Images share most of theirs, so each is read once. */
class Chains {
  readonly #catalog: Catalog;
  readonly #options: DockerOptions;
  readonly #known = new Map<string, ChainLink>();

  constructor(catalog: Catalog, options: DockerOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  async below(top: string): Promise<ChainLink[]> {
    const chain: ChainLink[] = [];
    for (let id: string | null | undefined = top; id; ) {
      if (chain.length >= chainLimit) throw badArchive(`more than ${chainLimit} layers on top of each other`);
      const link: ChainLink = this.#known.get(id) ?? (await this.#read(id));
      this.#known.set(id, link);
      chain.push(link);
      id = link.layer.parent;
    }
    return chain.reverse();
  }

  async #read(id: string): Promise<ChainLink> {
    const { documentLimit, signal } = this.#options;
    signal?.throwIfAborted();
    if (!/^[a-f0-9]{64}$/.test(id)) throw badArchive(`${shown(id)} is no layer ID`);
    const json = this.#catalog.file(`${id}/json`);
    const file = this.#catalog.file(`${id}/layer.tar`);
    if (json === undefined || file === undefined) throw incomplete(`layer ${id} is not in it`);
    const raw = parseJson(await collect(json.open(), documentLimit), `${id}/json`);
    const result = layerSchema.safeParse(raw);
    if (!result.success) throw badArchive(`${id}/json has the wrong shape`);
    return { raw: raw as Record<string, unknown>, layer: result.data, file };
  }
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
