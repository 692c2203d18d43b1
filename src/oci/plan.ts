import { readDocument } from '../content/documents.ts';
import type { AbortableOptions, Provider } from '../content/store.ts';
import { is } from '../errors.ts';
import { hasChildren, type SelectChildren } from '../images/children.ts';
import { dispatch, type Handler } from '../images/handlers.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { childrenOf } from '../spec/documents.ts';
import { isNonDistributable } from '../spec/media-types.ts';

/** What of the images goes out. */
export interface PlanOptions extends AbortableOptions {
  /** Which children of an index go out, best first; all if not said. The index itself goes out as it is. */
  readonly select?: SelectChildren | undefined;
  /** `error` if not said: missing content ends the export. `skip` leaves it out. */
  readonly missing?: 'error' | 'skip' | undefined;
  /** Whether layers go out that their owner does not want to be distributed; yes if not said. */
  readonly nonDistributable?: boolean | undefined;
  /** Leaves out what it returns false for; it stays referred to. */
  readonly filter?: ((target: Descriptor) => boolean) | undefined;
  /** Finds what refers to an object; that goes out too, and what refers to it in turn. */
  readonly referrers?: ((target: Descriptor) => Promise<readonly Descriptor[]>) | undefined;
  /** The most bytes a document may have. */
  readonly documentLimit?: number | undefined;
}

/** What goes out: every object once, in no order that means anything. */
export interface Plan {
  readonly objects: ReadonlyMap<Digest, Descriptor>;
  /** The children of a document that go out, best first. */
  readonly children: ReadonlyMap<Digest, readonly Descriptor[]>;
  /** Objects that were found as referrers, each with its subject. */
  readonly referrers: ReadonlyMap<Digest, { readonly referrer: Descriptor; readonly subject: Digest }>;
}

/**
 * Reads the documents of images and decides what goes out.
 * @throws DrayError `not-found` for missing content; what `select` throws; `data-loss`;
 * `invalid-argument`, reason `bad-document`.
 */
export async function planExport(
  source: Provider,
  roots: readonly Descriptor[],
  options: PlanOptions = {},
): Promise<Plan> {
  const objects = new Map<Digest, Descriptor>();
  const children = new Map<Digest, readonly Descriptor[]>();
  const referrers = new Map<Digest, { referrer: Descriptor; subject: Digest }>();
  const visit: Handler = async (target, { signal }) => {
    const below = await explore(source, target, { ...options, signal });
    if (below === undefined) return [];
    objects.set(target.digest, target);
    if (below.length > 0) children.set(target.digest, below);
    const found = hasChildren(target.mediaType) ? ((await options.referrers?.(target)) ?? []) : [];
    for (const referrer of found) referrers.set(referrer.digest, { referrer, subject: target.digest });
    return [...below, ...found];
  };
  await dispatch(visit, roots, { signal: options.signal });
  return { objects, children, referrers };
}

/** The children of an object that go out; undefined when it does not go out itself. */
async function explore(
  source: Provider,
  target: Descriptor,
  options: PlanOptions,
): Promise<readonly Descriptor[] | undefined> {
  const wanted = options.filter?.(target) ?? true;
  if (!wanted || (options.nonDistributable === false && isNonDistributable(target.mediaType))) return undefined;
  try {
    if (hasChildren(target.mediaType)) {
      const { signal, documentLimit: limit } = options;
      const all = childrenOf(target.mediaType, await readDocument(source, target, { signal, limit }));
      return options.select?.(target, all) ?? all;
    }
    // An error comes in time when nothing has been written yet.
    await using _ = await source.reader(target, options);
    return [];
  } catch (error) {
    if (options.missing === 'skip' && is(error, 'not-found')) return undefined;
    throw error;
  }
}
