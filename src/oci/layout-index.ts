import type { Descriptor } from '../spec/descriptor.ts';
import { parseIndex } from '../spec/documents.ts';
import { annotations } from './archive-image.ts';
import { encodeIndex, encodeReadable, orderedDescriptor } from './index-encoding.ts';

/** Annotations that name an entry. */
const nameKeys = [annotations.imageName, annotations.refName];

/**
 * An `index.json` with more entries in it. A name that a new entry has is taken from the old one, which goes when it has no
 * other; an object without a name is added only if it is not listed at all. What nobody knows of stays as it is.
 * @throws DrayError `invalid-argument`, reason `bad-document`, when the old one is none; `failed-precondition` when the new one would be too large.
 */
export function mergeIndex(bytes: Uint8Array | undefined, entries: readonly Descriptor[]): Uint8Array {
  if (bytes === undefined) return encodeIndex(entries);
  parseIndex(bytes);
  const index = JSON.parse(Buffer.from(bytes).toString('utf8')) as { manifests?: Descriptor[] | null };
  let manifests = index.manifests ?? [];
  for (const entry of entries) {
    const names = namesIn(entry);
    if (names.length === 0) {
      if (manifests.some(({ digest }) => digest === entry.digest)) continue;
      manifests.push(orderedDescriptor(entry));
    } else manifests = withNamed(manifests, orderedDescriptor(entry), names);
  }
  return encodeReadable({ ...index, manifests });
}

// An entry that is there stays where it is, so that nothing is written where nothing is new.
function withNamed(manifests: readonly Descriptor[], entry: Descriptor, names: readonly Naming[]): Descriptor[] {
  const text = JSON.stringify(entry);
  const at = manifests.findIndex((old) => old.digest === entry.digest && JSON.stringify(old) === text);
  const others = manifests.flatMap((old, index) => (index === at ? [old] : without(old, names)));
  return at === -1 ? [...others, entry] : others;
}

type Naming = readonly [key: string, name: string];

function namesIn(entry: Descriptor): Naming[] {
  return nameKeys.flatMap((key) => {
    const name = entry.annotations?.[key];
    return name === undefined ? [] : [[key, name] as const];
  });
}

function without(entry: Descriptor, names: readonly Naming[]): Descriptor[] {
  const taken = names.filter(([key, name]) => entry.annotations?.[key] === name).map(([key]) => key);
  if (taken.length === 0) return [entry];
  const kept = Object.entries(entry.annotations ?? {}).filter(([key]) => !taken.includes(key));
  const left = { ...entry, annotations: Object.fromEntries(kept) };
  return namesIn(left).length === 0 ? [] : [left];
}
