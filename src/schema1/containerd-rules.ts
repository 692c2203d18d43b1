import { mediaTypes } from '../spec/media-types.ts';
import { encodeJson } from './json.ts';
import type { V1History } from './manifest.ts';
import { ociConfig } from './oci-config.ts';
import { encodeManifest, type Rules } from './rules.ts';

/** How containerd indents. */
const indent = '   ';

/**
 * As containerd converted until 2.0: the chain of parents is not looked at, what a layer holds decides whether it is empty, and
 * the config has no keys but those of the image specification. Layers keep Docker's media types in either family.
 */
export const containerdRules: Rules = {
  entries({ entries }) {
    // One blob is one layer, and its first mention decides.
    const known = new Map<string, boolean>();
    for (const { blob, history } of entries) if (!known.has(blob)) known.set(blob, saysEmpty(history));
    return entries.map((entry) => ({ ...entry, isEmpty: known.get(entry.blob) === true }));
  },
  leavesOut: ({ isBlank }) => isBlank,
  layerType: (dockerType) => dockerType,
  config: (top, parts) => encodeJson(ociConfig(top, parts), indent),
  manifest(config, layers, family) {
    // containerd leaves the type out of both, but registries refuse a manifest of Docker without it.
    const mediaType = family === 'docker' ? mediaTypes.dockerManifest : undefined;
    return encodeManifest({ mediaType, config, layers, keys: ['mediaType', 'digest', 'size'], indent });
  },
};

function saysEmpty({ throwaway, size }: V1History): boolean {
  return throwaway ?? size === 0;
}
