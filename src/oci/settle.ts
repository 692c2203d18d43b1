import { addLabels } from '../content/add-labels.ts';
import type { AbortableOptions, ContentStore, Labels } from '../content/store.ts';
import { sizeMismatch } from '../content/verified.ts';
import { ifFound } from '../errors.ts';
import { childrenHandler, hasChildren, type SelectChildren } from '../images/children.ts';
import { dispatch, type Handler } from '../images/handlers.ts';
import { childLabels, labelOfReferrer } from '../images/labels.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { isIndex } from '../spec/media-types.ts';
import { incomplete } from './archive-error.ts';

/** What has to be there of an image. */
export interface SettleOptions extends AbortableOptions {
  /**
   * Which children of an index are kept and have to be whole. If not said: those that are there, at least one. The objects
   * that the archive itself lists are kept whatever their platform.
   */
  readonly select?: SelectChildren | undefined;
  /** `error` if not said. `skip` keeps what is there. */
  readonly missing?: 'error' | 'skip' | undefined;
  /** The most bytes a document may have. */
  readonly documentLimit?: number | undefined;
}

/**
 * Looks through images whose content is in a store: everything they need has to be there with the size they state, and each
 * document gets the labels that keep its children from being collected. Labels that are there already are not written.
 * @throws DrayError `not-found`, reason `bad-archive`, for missing content; `data-loss`, reason `size-mismatch`;
 * `invalid-argument`, reason `bad-document`, also for cycles and endless depth.
 */
export async function settle(
  content: ContentStore,
  roots: readonly Descriptor[],
  options: SettleOptions = {},
): Promise<void> {
  const children = childrenHandler(content, { limit: options.documentLimit });
  const visit: Handler = async (target, { signal }) => {
    const info = await ifFound(content.info(target.digest));
    if (info === undefined) {
      if (options.missing === 'skip') return [];
      throw incomplete(`${target.mediaType} ${target.digest} is not in it`);
    }
    if (info.size !== target.size) throw sizeMismatch(target.digest, target.size, info.size, false);
    if (!hasChildren(target.mediaType)) return [];
    const all = await children(target, { signal });
    const kept = await childrenToKeep(content, target, all, options);
    await addLabels(content, target.digest, labelsOf(all, kept));
    return kept;
  };
  await dispatch(visit, roots, { signal: options.signal });
}

async function childrenToKeep(
  content: ContentStore,
  target: Descriptor,
  children: readonly Descriptor[],
  { select, missing }: SettleOptions,
): Promise<readonly Descriptor[]> {
  if (!isIndex(target.mediaType) || children.length === 0) return children;
  if (select !== undefined) return select(target, children);
  const there = await Promise.all(
    children.map(async (child) => (await ifFound(content.info(child.digest))) !== undefined),
  );
  const present = children.filter((_, index) => there[index]);
  if (present.length > 0 || missing === 'skip') return present;
  throw incomplete(`of the ${children.length} manifests of ${target.digest} none is in it`);
}

// Counted over all children, so that the labels of another import or pull of the same index keep their meaning.
function labelsOf(all: readonly Descriptor[], kept: readonly Descriptor[]): Labels {
  const wanted = new Set<string>(kept.map((child) => child.digest));
  return Object.fromEntries(Object.entries(childLabels(all)).filter(([, digest]) => wanted.has(digest)));
}

/** Makes a subject keep what refers to it, where the subject is there. */
export async function labelReferrer(content: ContentStore, subject: Digest, referrer: Descriptor): Promise<void> {
  await ifFound(addLabels(content, subject, labelOfReferrer(referrer.digest)));
}
