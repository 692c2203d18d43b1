import { gzipSync } from 'node:zlib';
import { signSchema1 } from '../../src/schema1/index.ts';
import type { Descriptor } from '../../src/spec/descriptor.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { layerOf, manifestDescriptor, payloadOf } from './documents.ts';
import { keyFor } from './sign-by-hand.ts';

/** The layers of the image that {@link addOldImage} adds. */
export const layers: readonly Buffer[] = ['a', 'b'].map((name) => gzipSync(layerOf(name)));

/** What its signature is over. */
export const payload: Buffer = payloadOf(layers.map((layer) => ({ layer })));

/** Its manifest, signed. */
export const signed: Uint8Array = signSchema1(payload, keyFor('ES256'));

/** By what registries know it. */
export const root: Descriptor = manifestDescriptor(signed);

/** Puts an image of Docker schema 1 into a repository, under the tag 1. */
export function addOldImage(registry: ScriptedRegistry, name: string, manifest: Uint8Array = signed): void {
  const repository = registry.repository(name);
  for (const layer of layers) repository.addBlob(layer);
  repository.manifests.set(root.digest, { mediaType: root.mediaType, bytes: manifest });
  repository.tags.set('1', root.digest);
}

/** A registry that has such an image and nothing newer; `name` is its reference. */
export async function oldRegistry(manifest?: Uint8Array): Promise<ScriptedRegistry & { name: string }> {
  const registry = await ScriptedRegistry.start();
  addOldImage(registry, 'lab/app', manifest);
  return Object.assign(registry, { name: `${registry.host}/lab/app:1` });
}
