import { DrayError } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { documentLimit, fanOutLimit } from '../spec/documents.ts';
import { mediaTypes } from '../spec/media-types.ts';

/** The index of a layout that lists these descriptors, in their order. @throws DrayError as {@link encodeReadable} does. */
export function encodeIndex(manifests: readonly Descriptor[]): Buffer {
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: manifests.map(orderedDescriptor) };
  return encodeReadable(index);
}

/**
 * The bytes of an index, when they can be read again: one entry too many would take the others with it.
 * @throws DrayError `failed-precondition` over the limits of a document.
 */
export function encodeReadable(index: { readonly manifests: readonly Descriptor[] }): Buffer {
  const bytes = Buffer.from(JSON.stringify(index));
  const { length } = index.manifests;
  if (length <= fanOutLimit && bytes.byteLength <= documentLimit) return bytes;
  throw new DrayError(
    'failed-precondition',
    `an index of ${length} entries, ${bytes.byteLength} bytes, is over the limit of ${fanOutLimit} entries and ${documentLimit} bytes`,
    { hint: 'put some of the images into another layout or archive' },
  );
}

/** The order of texts by their UTF-16 units, which is the same everywhere. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

const descriptorKeys = ['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'platform', 'artifactType'];
const platformKeys = ['architecture', 'os', 'os.version', 'os.features', 'variant'];

/** The descriptor with its keys in the order that Go writes them, so that the same one gives the same bytes. */
export function orderedDescriptor(descriptor: Descriptor): Descriptor {
  const { annotations: all = {}, platform } = descriptor;
  const names = Object.keys(all).sort(compareText);
  return picked(
    {
      ...descriptor,
      annotations: names.length === 0 ? undefined : picked(all, names),
      platform: platform === undefined ? undefined : picked(platform, platformKeys),
    },
    descriptorKeys,
  );
}

/** An object with no other than these keys, in this order, as far as it has them. */
function picked<T extends object>(value: T, keys: readonly string[]): T {
  const entries = keys.map((key) => [key, (value as Record<string, unknown>)[key]] as const);
  return Object.fromEntries(entries.filter(([, one]) => one !== undefined)) as T;
}
