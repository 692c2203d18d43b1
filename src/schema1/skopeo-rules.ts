import { translateMediaType } from '../oci/family.ts';
import { badDocument } from '../spec/documents.ts';
import { mediaTypes } from '../spec/media-types.ts';
import { dockerConfig } from './docker-config.ts';
import { encodeJson } from './json.ts';
import type { Schema1Entry } from './manifest.ts';
import { ociConfig } from './oci-config.ts';
import { encodeManifest, type Rules } from './rules.ts';

/**
 * As Docker converted until 28.1, and as skopeo, podman and buildah do: the chain of parents has to be right, only what the
 * document says makes a layer empty, and Docker's config keeps every key that it had.
 */
export const skopeoRules: Rules = {
  entries: ({ entries }) => chainOf(entries).map((entry) => ({ ...entry, isEmpty: entry.history.throwaway === true })),
  leavesOut: () => false,
  layerType: (dockerType, family) => translateMediaType(dockerType, family) ?? dockerType,
  config: (top, parts, family) => (family === 'docker' ? dockerConfig(top, parts) : encodeJson(ociConfig(top, parts))),
  manifest: (config, layers, family) =>
    family === 'docker'
      ? encodeManifest({ mediaType: mediaTypes.dockerManifest, config, layers, keys: ['mediaType', 'size', 'digest'] })
      : encodeManifest({ mediaType: mediaTypes.ociManifest, config, layers, keys: ['mediaType', 'digest', 'size'] }),
};

/** The entries without those whose next older one has the same id, each the child of the one after it. */
function chainOf(entries: readonly Schema1Entry[]): Schema1Entry[] {
  const chain = entries.filter(({ history }, index) => {
    const older = entries[index + 1];
    return older === undefined || history.id !== older.history.id;
  });
  const ids = chain.map(({ history }) => history.id ?? '');
  for (const id of ids) if (!/^[a-f0-9]{64}$/.test(id)) throw wrong(`${shown(id)} is no id of a layer`);
  if (new Set(ids).size < ids.length) throw wrong('an id comes twice, with others in between');
  for (const [index, { history }] of chain.entries()) {
    const [expected = '', parent = ''] = [ids[index + 1], history.parent];
    if (parent !== expected) throw wrong(`the parent of ${ids[index]} is ${shown(parent)}, not ${shown(expected)}`);
  }
  return chain;
}

function wrong(problem: string): Error {
  return badDocument('schema 1 history', problem);
}

function shown(id: string): string {
  return id === '' ? 'none' : JSON.stringify(id.slice(0, 70));
}
