import { type DocumentOptions, readDocument } from '../content/documents.ts';
import type { Manager, Provider } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { bare, type Descriptor } from '../spec/descriptor.ts';
import { childrenOf } from '../spec/documents.ts';
import { isArtifact, isIndex, isManifest } from '../spec/media-types.ts';
import { compareOptional, type PlatformMatcher } from '../spec/platform.ts';
import type { Handler } from './handlers.ts';
import { childLabels } from './labels.ts';

/** Given a document and all its children, which of them are meant. */
export type SelectChildren = (parent: Descriptor, children: readonly Descriptor[]) => readonly Descriptor[];

/** Whether an object of this type has children that {@link childrenHandler} reads. */
export function hasChildren(mediaType: string): boolean {
  return isManifest(mediaType) || isIndex(mediaType) || isArtifact(mediaType);
}

/**
 * A handler that returns what a manifest, an index or an artifact refers to; objects of other types are leaves. A subject is
 * not followed.
 * @throws DrayError `not-found` when the document is not there; `invalid-argument`, reason `bad-document`; `data-loss`.
 */
export function childrenHandler(provider: Provider, options: Omit<DocumentOptions, 'signal'> = {}): Handler {
  return async (target, { signal }) => {
    if (!hasChildren(target.mediaType)) return [];
    return childrenOf(target.mediaType, await readDocument(provider, target, { ...options, signal }));
  };
}

/** Leaves out children of an index that name a platform which does not match. */
export function filterPlatforms(handler: Handler, matcher: PlatformMatcher): Handler {
  return async (target, context) => {
    const children = await handler(target, context);
    return children.filter((child) => child.platform === undefined || matcher.matches(child.platform));
  };
}

/**
 * Keeps the best `count` children of an index, those that match first; all of them, sorted, when `count` is 0.
 * @throws DrayError `not-found` when an index has no child to keep.
 */
export function limitManifests(handler: Handler, matcher: PlatformMatcher, count: number): Handler {
  return async (target, context) => {
    const children = await handler(target, context);
    if (!isIndex(target.mediaType)) return children;
    const sorted = [...children].sort((a, b) => compareOptional(matcher, a.platform, b.platform));
    if (count === 0) return sorted;
    if (sorted.length === 0) throw noPlatform(target);
    return sorted.slice(0, count);
  };
}

/**
 * Records the children on their parent with labels that hold the graph for the collector, before anything filters them. The
 * parent has to be in the store.
 */
export function labelChildren(manager: Pick<Manager, 'update'>, handler: Handler): Handler {
  return async (target, context) => {
    const children = await handler(target, context);
    const labels = childLabels(children);
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    if (paths.length > 0) await manager.update({ digest: target.digest, labels }, ...paths);
    return children;
  };
}

/** The error for an index without a child for the wanted platform. */
export function noPlatform(target: Descriptor): DrayError {
  return new DrayError('not-found', `${target.digest} has no manifest for the wanted platform`, {
    descriptor: bare(target),
    hint: `choose another with --platform; which there are shows dray manifest REF in a registry, dray content get ${target.digest} in the store`,
  });
}
