// A process for tests: lives through a history in a store that others use as well, and says after each step what it relies on.
import { writeBlob } from '../../src/content/copy.ts';
import type { Labels } from '../../src/content/store.ts';
import { is } from '../../src/errors.ts';
import { openStore, type Store } from '../../src/metadata/open-store.ts';
import type { Services } from '../../src/services/services.ts';
import { type Descriptor, describe } from '../../src/spec/descriptor.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { randomBytes } from '../../src/testing/random.ts';

/** One step of a process. Layers are numbers: every process makes the same bytes of one. */
export type ProcessStep =
  | { readonly do: 'pull'; readonly at: string; readonly image: string; readonly layers: readonly number[] }
  | { readonly do: 'drop'; readonly at: string; readonly image: string; readonly synchronous: boolean }
  | { readonly do: 'partial'; readonly at: string; readonly layer: number; readonly bytes: number }
  | { readonly do: 'abort'; readonly at: string; readonly layer: number }
  | { readonly do: 'collect'; readonly expire: boolean }
  | { readonly do: 'read'; readonly at: string };

/** What a process is told. */
export interface Assignment {
  readonly root: string;
  /** Its images begin with this, so that nobody else drops them. */
  readonly name: string;
  readonly steps: readonly ProcessStep[];
}

/** What it says: the images it has now, `NAMESPACE NAME`, and what went wrong. */
export interface Report {
  readonly done: number;
  readonly images: readonly string[];
  readonly failure?: string;
}

export function layer(number: number): { target: Descriptor; bytes: Uint8Array } {
  const bytes = randomBytes(20_000 + number, `layer ${number}`);
  return { target: describe(mediaTypes.ociLayer, bytes), bytes };
}

export const refOfLayer = (number: number): string => `layer-${layer(number).target.digest}`;

class Actor {
  readonly #store: Store;
  readonly #name: string;
  readonly images = new Map<string, Descriptor>();

  constructor(store: Store, name: string) {
    this.#store = store;
    this.#name = name;
  }

  async take(step: ProcessStep): Promise<void> {
    if (step.do === 'collect') await this.#store.collect(step.expire ? { ingestLifetime: 0 } : {});
    else if (step.do === 'pull') await this.#pull(step.at, `${this.#name}-${step.image}`, step.layers);
    else if (step.do === 'drop') await this.#drop(step.at, `${this.#name}-${step.image}`, step.synchronous);
    else if (step.do === 'partial') await this.#partial(step.at, step.layer, step.bytes);
    else if (step.do === 'abort') await tolerate(this.#content(step.at).abort(refOfLayer(step.layer)));
    else await this.#readAll(step.at);
    await this.#check();
  }

  #content(at: string): Services['content'] {
    return this.#store.services(at).content;
  }

  // As a client pulls: under a lease from the first byte until the name is there.
  async #pull(at: string, image: string, layers: readonly number[]): Promise<void> {
    const { content, images, leases } = this.#store.services(at);
    const { id: lease } = await leases.create();
    const labels: Record<string, string> = {};
    await Promise.all(
      layers.map(async (number, n) => {
        const { target, bytes } = layer(number);
        labels[`containerd.io/gc.ref.content.l.${n}`] = target.digest;
        await writeBlob(content, refOfLayer(number), target, (offset) => chunked(bytes, offset), { lease });
      }),
    );
    const bytes = Buffer.from(JSON.stringify(layers.map((number) => layer(number).target)));
    const target = describe(mediaTypes.ociManifest, bytes);
    await this.#document(content, target, bytes, labels, lease);
    const known = this.images.has(`${at} ${image}`);
    await (known ? images.update({ name: image, target }, 'target') : images.create({ name: image, target }));
    this.images.set(`${at} ${image}`, target);
    await leases.delete(lease);
  }

  async #document(
    content: Services['content'],
    target: Descriptor,
    bytes: Uint8Array,
    labels: Labels,
    lease: string,
  ): Promise<void> {
    const open = (offset?: number) => chunked(bytes, offset);
    const outcome = await writeBlob(content, `manifest-${target.digest}`, target, open, { labels, lease });
    if (outcome === 'exists') await content.update({ digest: target.digest, labels }, 'labels');
  }

  async #drop(at: string, image: string, synchronous: boolean): Promise<void> {
    if (!this.images.delete(`${at} ${image}`)) return;
    await this.#store.services(at).images.delete(image, { synchronous });
  }

  async #partial(at: string, number: number, count: number): Promise<void> {
    const { target, bytes } = layer(number);
    const writer = await tolerate(this.#content(at).writer({ ref: refOfLayer(number), target }));
    if (writer === undefined) return;
    await using _ = writer;
    const { offset } = await writer.status();
    if (offset + count < bytes.byteLength) await writer.write(bytes.subarray(offset, offset + count));
  }

  // Whatever is visible is whole; that it goes at any moment is fine.
  async #readAll(at: string): Promise<void> {
    const content = this.#content(at);
    for await (const info of content.walk()) {
      const reader = await tolerate(content.reader(info));
      if (reader === undefined) continue;
      await using _ = reader;
      for await (const _chunk of reader.stream());
    }
  }

  async #check(): Promise<void> {
    for (const [key, target] of this.images) await readImage(this.#store, key, target);
  }
}

/** Reads all of an image, which verifies it. */
export async function readImage(store: Store, key: string, target: Descriptor): Promise<void> {
  const [at = ''] = key.split(' ');
  const { content } = store.services(at);
  const chunks: Uint8Array[] = [];
  await using reader = await content.reader(target);
  for await (const chunk of reader.stream()) chunks.push(chunk);
  for (const one of JSON.parse(`${Buffer.concat(chunks)}`) as Descriptor[]) {
    await using below = await content.reader(one);
    for await (const _ of below.stream());
  }
}

async function* chunked(bytes: Uint8Array, offset = 0): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < bytes.byteLength; at += 5000) yield bytes.subarray(at, at + 5000);
}

/** What others may have done meanwhile is no failure. */
async function tolerate<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (is(error, 'not-found') || is(error, 'unavailable') || is(error, 'already-exists')) return undefined;
    throw error;
  }
}

async function live({ root, name, steps }: Assignment): Promise<void> {
  const say = (report: Report): void => void process.send?.(report);
  await using store = await openStore({ root, durability: 'none' }).catch((error: unknown) => {
    say({ done: 0, images: [], failure: String(error) });
    throw error;
  });
  const actor = new Actor(store, name);
  for (const [done, step] of steps.entries()) {
    try {
      await actor.take(step);
    } catch (error) {
      const failure = `${JSON.stringify(step)}: ${error instanceof Error ? error.stack : error}`;
      return say({ done, images: [], failure });
    }
    say({ done: done + 1, images: [...actor.images.keys()] });
  }
}

if (process.send !== undefined) {
  process.on('message', (assignment: Assignment) => void live(assignment));
}
