import { addLabels } from '../content/add-labels.ts';
import { fetcherOf, type Pusher, pusherOf } from '../content/copy.ts';
import { fitsLabel } from '../content/labels.ts';
import type { AbortableOptions, Labels } from '../content/store.ts';
import { DrayError, ifFound, is } from '../errors.ts';
import { childLabels, labelOfReferrer } from '../images/labels.ts';
import { createOrUpdate } from '../services/create-or-update.ts';
import type { Services } from '../services/services.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { formatReference, parseReference, pinned } from '../spec/reference.ts';
import { holdingLease } from './lease.ts';
import type { Origin, Place, Source, Target, TargetOptions } from './place.ts';
import { referrersIn } from './store-referrers.ts';

/** Keys of labels that record which repositories of a host a blob was seen in (containerd's convention). */
const originLabel = 'containerd.io/distribution.source.';

/** What else a {@link StorePlace} may be. */
export interface StorePlaceOptions {
  /** What an image that comes is called, as it is written, in place of the name of the place; nothing for content alone. */
  readonly names?: readonly string[] | undefined;
  /** As a source, this object, whatever the name stands for. */
  readonly object?: Descriptor | undefined;
}

/** An image name in a store, as a user writes it: what it reads is found as {@link findImage} does, what it writes is canonical. */
export class StorePlace implements Place {
  readonly kind = 'store';
  readonly name: string;
  readonly #services: Services;
  readonly #options: StorePlaceOptions;

  constructor(services: Services, name: string, options: StorePlaceOptions = {}) {
    this.#services = services;
    this.#options = options;
    this.name = name;
  }

  async source(options: AbortableOptions = {}): Promise<Source> {
    const { content, images } = this.#services;
    const { object } = this.#options;
    const { name, target } =
      object === undefined ? await findImage(images, this.name, options) : { name: this.name, target: object };
    return {
      name,
      root: target,
      fetcher: fetcherOf(content),
      referrers: (subject) => referrersIn(content, subject),
      async heldBy(wanted, host) {
        // What is made on the way is in no store.
        const labels = (await labelsOf(content, wanted)) ?? {};
        return (labels[`${originLabel}${host}`] ?? '').split(',').filter((repository) => repository !== '');
      },
      async [Symbol.asyncDispose]() {},
    };
  }

  async target({ source, labels = {}, signal }: TargetOptions): Promise<Target> {
    const { content, images, leases } = this.#services;
    const name = canonicalName(this.name);
    const { names = [name] } = this.#options;
    const lease = await holdingLease(leases, { signal });
    const pusher = withOrigin(pusherOf(content, { lease: lease.id, relabel }), source.origin);
    return {
      pusher,
      async convertSchema1({ fetcher }, root, options) {
        const { convertSchema1 } = await import('../schema1/converter.ts');
        return await convertSchema1(content, fetcher, root, { ...options, lease: lease.id, pusher });
      },
      labels: (_, children) => childLabels(children),
      local: content,
      refer: async (subject, referrer) => {
        await addLabels(content, subject, labelOfReferrer(referrer.digest));
      },
      async finish(root) {
        for (const one of names) await createOrUpdate(images, { name: one, target: root, labels });
        return nameWithDigest(name, root);
      },
      [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
    };
  }
}

/**
 * The image of a name as a user writes it: the name itself, or what it means as a reference.
 * @throws DrayError `not-found`.
 */
export async function findImage(
  images: Services['images'],
  name: string,
  options: AbortableOptions = {},
): Promise<{ name: string; target: Descriptor; labels: Labels }> {
  for (const candidate of new Set([name, canonicalName(name)])) {
    const found = await ifFound(images.get(candidate, options));
    if (found !== undefined) return found;
  }
  throw new DrayError('not-found', `no image ${name} in the store`, {
    side: 'store',
    hint: `dray images ls shows what there is; dray pull ${name} gets it`,
  });
}

/** The canonical spelling of a reference; any other text as it is. */
export function canonicalName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch (error) {
    if (is(error, 'invalid-argument')) return name;
    throw error;
  }
}

/** `name@digest`, without the tag where the name is a reference. */
export function nameWithDigest(name: string, root: Descriptor): string {
  try {
    return pinned(parseReference(name), root.digest);
  } catch (error) {
    if (is(error, 'invalid-argument')) return `${name}@${root.digest}`;
    throw error;
  }
}

// Records where content came from, so that a later push to the same registry can mount it.
function withOrigin(pusher: Pusher, origin: Origin | undefined): Pusher {
  if (origin === undefined) return pusher;
  const key = `${originLabel}${origin.host}`;
  return {
    push: (target, open, options = {}) =>
      pusher.push(target, open, { ...options, labels: { ...options.labels, [key]: origin.repository } }),
  };
}

// What a blob that is there already comes to lack: a repository is added to those that it was seen in.
function relabel(known: Labels, given: Labels): Labels {
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => [
      key,
      key.startsWith(originLabel) ? withRepository(key, known[key], value) : value,
    ]),
  );
}

function withRepository(key: string, known = '', repository: string): string {
  const repositories = new Set(known.split(',').filter((one) => one !== ''));
  const value = [...repositories.add(repository)].sort().join(',');
  // The label only saves work later: what does not fit is left as it was.
  return fitsLabel(key, value) ? value : known;
}

async function labelsOf(content: Services['content'], target: Descriptor): Promise<Labels | undefined> {
  return (await ifFound(content.info(target.digest)))?.labels;
}
