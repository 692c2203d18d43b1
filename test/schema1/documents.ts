import type { Fetcher } from '../../src/content/copy.ts';
import { DrayError } from '../../src/errors.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { type Digest, digestOf } from '../../src/spec/digest.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { digestedBytes } from '../../src/spec/schema1.ts';
import { tarOf } from '../oci/tar-builder.ts';

/** Schema 1 documents made by hand, so that a test can say what is in them and what is wrong with them. */

/** One layer with what is said of it. */
export interface Step {
  /** As it is transferred. */
  readonly layer: Uint8Array;
  /** Goes over what {@link payloadOf} makes up; a key that is undefined is left out. */
  readonly history?: Readonly<Record<string, unknown>> | undefined;
}

/** The text of a manifest, from steps with the oldest first; ids and parents make a chain. */
export function payloadOf(steps: readonly Step[], more: Readonly<Record<string, unknown>> = {}): Buffer {
  const texts = steps.map(({ history }, index) =>
    JSON.stringify({
      id: idOf(index),
      ...(index === 0 ? {} : { parent: idOf(index - 1) }),
      created: `2016-01-02T03:04:0${index % 10}Z`,
      container_config: { Cmd: ['/bin/sh', '-c', `step ${index}`] },
      ...(index === steps.length - 1 ? { architecture: 'amd64', os: 'linux', config: { Cmd: ['sh'] } } : {}),
      ...history,
    }),
  );
  const document = {
    schemaVersion: 1,
    name: 'lab/app',
    tag: '1',
    architecture: 'amd64',
    fsLayers: steps.map(({ layer }) => ({ blobSum: digestOf(layer) })).reverse(),
    history: texts.map((text) => ({ v1Compatibility: text })).reverse(),
    ...more,
  };
  return Buffer.from(JSON.stringify(document, undefined, 3));
}

/** The id of the step at an index. */
export function idOf(index: number): string {
  return digestOf(Buffer.from(`step ${index}`)).slice('sha256:'.length);
}

/** A tar file with one file in it. */
export function layerOf(name: string, data: Uint8Array | string = name): Buffer {
  return tarOf([{ name, data }]);
}

/** The descriptor by which a registry knows a manifest, signed or not. */
export function manifestDescriptor(bytes: Uint8Array, mediaType: string = mediaTypes.dockerSchema1Signed): Descriptor {
  return { mediaType, digest: digestOf(digestedBytes(mediaType, bytes)), size: bytes.byteLength };
}

/** A source of blobs at hand that notes what is asked for. */
export interface CountingFetcher extends Fetcher {
  readonly asked: Digest[];
}

/** Serves blobs by their digests, and a manifest by that of its payload. */
export function fetcherFor(blobs: readonly Uint8Array[], manifest?: Uint8Array): CountingFetcher {
  const held = new Map(blobs.map((bytes) => [digestOf(bytes), bytes]));
  if (manifest !== undefined) held.set(manifestDescriptor(manifest).digest, manifest);
  return servingAs(held);
}

/** Serves bytes as whatever they are said to be. */
export function servingAs(held: ReadonlyMap<string, Uint8Array>): CountingFetcher {
  const asked: Digest[] = [];
  return {
    asked,
    async fetch({ digest }, { offset = 0 } = {}) {
      asked.push(digest);
      const bytes = held.get(digest);
      if (bytes === undefined) throw new DrayError('not-found', `${digest} is not there`);
      return (async function* () {
        for (let at = offset; at < bytes.byteLength; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024);
      })();
    },
  };
}
