import type { Labels } from '../content/store.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { isConfig, isLayer, isManifest } from '../spec/media-types.ts';

/** A label with this key, or with a suffix behind `.` or `/`, keeps the content its value names (as containerd). */
export const contentReferenceLabel = 'containerd.io/gc.ref.content';

/** How the keys of labels begin by which an object keeps what refers to it. */
export const referrerLabel: string = `${contentReferenceLabel}.referrer.`;

/** The label by which a subject keeps one referrer, `….referrer.sha256.0123456789ab`. */
export function labelOfReferrer(referrer: Digest): Labels {
  const colon = referrer.indexOf(':');
  return { [`${referrerLabel}${referrer.slice(0, colon)}.${referrer.slice(colon + 1, colon + 13)}`]: referrer };
}

/**
 * The labels by which a parent keeps its children: `….config`, `….m.N`, `….l.N` and `….N`, counted for each prefix in the
 * order of the children (as containerd).
 */
export function childLabels(children: readonly Descriptor[]): Labels {
  const counts = new Map<string, number>();
  const labels: Record<string, string> = {};
  for (const child of children) {
    const prefix = `${contentReferenceLabel}.${prefixOf(child.mediaType)}`;
    const count = counts.get(prefix) ?? 0;
    counts.set(prefix, count + 1);
    const key = prefix.endsWith('.') || count > 0 ? `${prefix}${count}` : prefix;
    labels[key] = child.digest;
  }
  return labels;
}

function prefixOf(mediaType: string): string {
  if (isConfig(mediaType)) return 'config';
  if (isManifest(mediaType)) return 'm.';
  return isLayer(mediaType) ? 'l.' : '';
}
