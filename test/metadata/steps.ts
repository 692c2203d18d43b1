import fc from 'fast-check';
import type { Labels, Writer } from '../../src/content/store.ts';
import type { Store } from '../../src/metadata/open-store.ts';
import { mediaTypes } from '../../src/spec/media-types.ts';
import { Timestamp } from '../../src/spec/timestamp.ts';
import { blobBytes, blobCount, blobDigest, type Model, type NamespaceModel } from './model.ts';

/** A store, and the writers that are open in it. */
export interface Real {
  store: Store;
  readonly writers: Map<string, Writer>;
}

/** One step of a history. */
export interface Step {
  readonly text: string;
  /** Does it to the model; returns the kind of error that the store has to give, if any. */
  model(model: Model): string | undefined;
  real(real: Real): Promise<unknown>;
}

const space = fc.constantFrom('one', 'one', 'one', 'two');
const blob = fc.nat({ max: blobCount - 1 });
const image = fc.constantFrom('app', 'base');
const lease = fc.constantFrom('l', 'm');
const seldom = fc.integer({ min: 0, max: 5 }).map((n) => n === 5);
const children = fc.uniqueArray(blob, { maxLength: 3 });

function labelsOf(blobs: readonly number[], root: boolean): Labels {
  const refs = blobs.map((one, n) => [`containerd.io/gc.ref.content.${n}`, blobDigest(one)]);
  return Object.fromEntries(root ? [...refs, ['containerd.io/gc.root', 'x']] : refs);
}

const target = (one: number) => ({ mediaType: mediaTypes.ociManifest, digest: blobDigest(one), size: 1 });
const refOf = (one: number): string => `ref ${one}`;

const imageSteps: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(space, image, blob).map(([at, name, one]) => ({
    text: `create image ${at}/${name} of ${one}`,
    model(model) {
      const { images } = model.namespace(at);
      if (images.has(name)) return 'already-exists';
      images.set(name, blobDigest(one));
      return undefined;
    },
    real: ({ store }) => store.services(at).images.create({ name, target: target(one) }),
  })),
  fc.tuple(space, image, blob).map(([at, name, one]) => ({
    text: `update image ${at}/${name} to ${one}`,
    model(model) {
      const { images } = model.namespace(at);
      if (!images.has(name)) return 'not-found';
      images.set(name, blobDigest(one));
      return undefined;
    },
    real: ({ store }) => store.services(at).images.update({ name, target: target(one) }, 'target'),
  })),
  fc.tuple(space, image, fc.boolean()).map(([at, name, synchronous]) => ({
    text: `delete image ${at}/${name}${synchronous ? ' and collect' : ''}`,
    model(model) {
      if (!model.namespace(at).images.delete(name)) return 'not-found';
      if (synchronous) for (const namespace of model.namespaces) namespace.collect();
      return undefined;
    },
    real: ({ store }) => store.services(at).images.delete(name, { synchronous }),
  })),
];

const leaseSteps: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(space, lease, seldom, fc.boolean()).map(([at, id, expired, flat]) => ({
    text: `create lease ${at}/${id}${expired ? ' expired' : ''}${flat ? ' flat' : ''}`,
    model(model) {
      const { leases } = model.namespace(at);
      if (leases.has(id)) return 'already-exists';
      leases.set(id, { expired, flat, content: new Set(), ingests: new Set() });
      return undefined;
    },
    real: ({ store }) =>
      store.services(at).leases.create({
        id,
        expiresAt: expired ? new Timestamp(1n) : undefined,
        labels: flat ? { 'containerd.io/gc.flat': 'x' } : {},
      }),
  })),
  fc.tuple(space, lease, blob).map(([at, id, one]) => ({
    text: `hold ${one} by lease ${at}/${id}`,
    model(model) {
      const failure = leaseFailure(model.namespace(at), id);
      if (failure === undefined) model.namespace(at).leases.get(id)?.content.add(blobDigest(one));
      return failure;
    },
    real: ({ store }) => store.services(at).leases.addResource(id, { type: 'content', id: blobDigest(one) }),
  })),
  fc.tuple(space, lease).map(([at, id]) => ({
    text: `delete lease ${at}/${id}`,
    model: (model) => (model.namespace(at).leases.delete(id) ? undefined : 'not-found'),
    real: ({ store }) => store.services(at).leases.delete(id),
  })),
];

function leaseFailure({ leases }: NamespaceModel, id: string | undefined): string | undefined {
  if (id === undefined) return undefined;
  const known = leases.get(id);
  if (known === undefined) return 'not-found';
  return known.expired ? 'failed-precondition' : undefined;
}

const maybeLease = fc.option(lease, { nil: undefined, freq: 2 });

const bring: fc.Arbitrary<Step> = fc
  .tuple(space, blob, children, seldom, maybeLease)
  .map(([at, one, refs, root, held]) => ({
    text: `bring ${at}/${one} referring to ${JSON.stringify(refs)}${root ? ' as a root' : ''} for lease ${held}`,
    model: (model) => openIngest(model.namespace(at), one, held) ?? commitIngest(model.namespace(at), one, refs, root),
    real: async (real) => {
      await openWriter(real, at, one, held);
      await complete(real, at, one, labelsOf(refs, root));
    },
  }));

async function openWriter({ store, writers }: Real, at: string, one: number, lease?: string): Promise<void> {
  const { digest } = target(one);
  const expected = { digest, size: blobBytes(one).byteLength };
  writers.set(`${at}/${one}`, await store.services(at).content.writer({ ref: refOf(one), target: expected, lease }));
}

async function complete({ writers }: Real, at: string, one: number, labels: Labels): Promise<void> {
  const writer = writers.get(`${at}/${one}`);
  writers.delete(`${at}/${one}`);
  if (writer === undefined) return;
  const { offset } = await writer.status();
  if (offset < blobBytes(one).byteLength) await writer.write(blobBytes(one).subarray(offset));
  await writer.commit({ labels });
}

const ingestSteps: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(space, blob, maybeLease).map(([at, one, held]) => ({
    text: `open ingest ${at}/${one}${held ? ` for lease ${held}` : ''}`,
    model: (model) => openIngest(model.namespace(at), one, held),
    real: (real) => openWriter(real, at, one, held),
  })),
  fc.tuple(space, blob, fc.nat({ max: 20 })).map(([at, one, count]) => ({
    text: `write ${count} bytes to ingest ${at}/${one}`,
    model: () => undefined,
    real: async ({ writers }) => {
      const writer = writers.get(`${at}/${one}`);
      if (writer === undefined) return;
      const { offset } = await writer.status();
      await writer.write(blobBytes(one).subarray(offset, offset + count));
    },
  })),
  fc.tuple(space, blob, children, seldom).map(([at, one, refs, root]) => ({
    text: `complete ingest ${at}/${one} referring to ${JSON.stringify(refs)}${root ? ' as a root' : ''}`,
    model: (model) => commitIngest(model.namespace(at), one, refs, root),
    real: (real) => complete(real, at, one, labelsOf(refs, root)),
  })),
  fc.tuple(space, blob).map(([at, one]) => ({
    text: `close ingest ${at}/${one}`,
    model(model) {
      const known = model.namespace(at).ingests.get(one);
      if (known !== undefined) known.open = false;
      return undefined;
    },
    real: async ({ writers }) => {
      await writers.get(`${at}/${one}`)?.[Symbol.asyncDispose]();
      writers.delete(`${at}/${one}`);
    },
  })),
  fc.tuple(space, blob).map(([at, one]) => ({
    text: `abort ingest ${at}/${one}`,
    model(model) {
      const { ingests } = model.namespace(at);
      if (ingests.get(one)?.open) return 'unavailable';
      return ingests.delete(one) ? undefined : 'not-found';
    },
    real: ({ store }) => store.services(at).content.abort(refOf(one)),
  })),
];

function openIngest(namespace: NamespaceModel, one: number, held: string | undefined): string | undefined {
  const failure = leaseFailure(namespace, held);
  if (failure !== undefined) return failure;
  const holder = held === undefined ? undefined : namespace.leases.get(held);
  if (namespace.content.has(blobDigest(one))) {
    holder?.content.add(blobDigest(one));
    return 'already-exists';
  }
  if (namespace.ingests.get(one)?.open) return 'unavailable';
  holder?.ingests.add(one);
  namespace.ingests.set(one, { open: true, lease: held });
  return undefined;
}

function commitIngest(
  namespace: NamespaceModel,
  one: number,
  refs: readonly number[],
  root: boolean,
): string | undefined {
  const ingest = namespace.ingests.get(one);
  if (ingest === undefined || !ingest.open) return undefined;
  ingest.open = false;
  const failure = leaseFailure(namespace, ingest.lease);
  if (failure !== undefined) return failure;
  namespace.ingests.delete(one);
  const holder = ingest.lease === undefined ? undefined : namespace.leases.get(ingest.lease);
  holder?.ingests.delete(one);
  holder?.content.add(blobDigest(one));
  namespace.content.set(blobDigest(one), { refs: refs.map(blobDigest), root });
  return undefined;
}

const storeSteps: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(space, blob).map(([at, one]) => ({
    text: `delete content ${at}/${one}`,
    model: (model) => (model.namespace(at).content.delete(blobDigest(one)) ? undefined : 'not-found'),
    real: ({ store }) => store.services(at).content.delete(blobDigest(one)),
  })),
  fc.tuple(space, blob, children, seldom).map(([at, one, refs, root]) => ({
    text: `label content ${at}/${one} referring to ${JSON.stringify(refs)}${root ? ' as a root' : ''}`,
    model(model) {
      const { content } = model.namespace(at);
      if (!content.has(blobDigest(one))) return 'not-found';
      content.set(blobDigest(one), { refs: refs.map(blobDigest), root });
      return undefined;
    },
    real: ({ store }) =>
      store.services(at).content.update({ digest: blobDigest(one), labels: labelsOf(refs, root) }, 'labels'),
  })),
  fc.boolean().map((expire) => ({
    text: `collect${expire ? ' and expire ingests' : ''}`,
    model(model) {
      if (expire) for (const namespace of model.namespaces) namespace.expireIngests();
      for (const namespace of model.namespaces) namespace.collect();
      return undefined;
    },
    real: ({ store }) => store.collect(expire ? { ingestLifetime: 0 } : {}),
  })),
];

/** Any step; blobs are brought most often, since the rest needs them. */
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: bring },
  ...[...imageSteps, ...leaseSteps, ...ingestSteps, ...storeSteps].map((arbitrary) => ({ weight: 3, arbitrary })),
  { weight: 5, arbitrary: fc.oneof(...storeSteps.slice(-1)) },
);
