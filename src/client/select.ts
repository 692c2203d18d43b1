import { DrayError } from '../errors.ts';
import type { SelectChildren } from '../images/children.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { isConfig, isIndex } from '../spec/media-types.ts';
import {
  compareOptional,
  defaultMatcher,
  formatPlatform,
  only,
  type PlatformMatcher,
  parsePlatform,
} from '../spec/platform.ts';

/** Which platforms of an image: those named, or `all`. Not said it depends on who asks, and is what runs here with {@link selectPlatforms}. */
export type PlatformSelection = 'all' | readonly string[] | undefined;

/**
 * Chooses among the children of an index: for each wanted platform the best one, and whatever names no platform when nothing
 * that names one matches. An index stays whole as a document.
 * @throws DrayError `not-found` from the returned function when a platform has no match; `invalid-argument` for a malformed
 * platform.
 */
export function selectPlatforms(selection: PlatformSelection): SelectChildren {
  const matchers = matchersOf(selection);
  if (matchers === undefined) return (_, children) => children;
  return (parent, children) => {
    if (!isIndex(parent.mediaType) || children.length === 0) return children;
    const chosen = matchers.map((matcher) => best(matcher, children));
    const missing = chosen.indexOf(undefined);
    if (missing !== -1) throw noMatch(parent, children, selection === 'all' ? undefined : selection?.[missing]);
    return [...new Set(chosen.filter((one) => one !== undefined))];
  };
}

/**
 * Chooses as another choice does, and takes besides of each child of an index that is not chosen what describes it: its
 * manifest and its config, without the layers.
 */
export function withAllMetadata(select: SelectChildren): SelectChildren {
  const described = new Set<string>();
  return (parent, children) => {
    const chosen = select(parent, children);
    if (isIndex(parent.mediaType)) {
      for (const child of children) if (!chosen.includes(child)) described.add(child.digest);
      return children;
    }
    return described.has(parent.digest) ? chosen.filter((child) => isConfig(child.mediaType)) : chosen;
  };
}

function matchersOf(selection: PlatformSelection): PlatformMatcher[] | undefined {
  if (selection === 'all') return undefined;
  if (selection === undefined || selection.length === 0) return [defaultMatcher()];
  if (!Array.isArray(selection))
    throw new DrayError('invalid-argument', `platforms are a list or 'all', not ${JSON.stringify(selection)}`, {
      hint: `write ['linux/amd64']`,
    });
  return selection.map((text) => only(parsePlatform(text)));
}

/** The matcher for looking at an image with this selection; the first platform counts. */
export function matcherOf(selection: PlatformSelection): PlatformMatcher {
  const [first] = matchersOf(selection) ?? [];
  return first ?? defaultMatcher();
}

function best(matcher: PlatformMatcher, children: readonly Descriptor[]): Descriptor | undefined {
  const candidates = children.filter((child) => child.platform === undefined || matcher.matches(child.platform));
  return [...candidates].sort((a, b) => compareOptional(matcher, a.platform, b.platform))[0];
}

function noMatch(parent: Descriptor, children: readonly Descriptor[], wanted: string | undefined): DrayError {
  const named = children.flatMap((child) => (child.platform === undefined ? [] : [formatPlatform(child.platform)]));
  const there = [...new Set(named)].slice(0, 20).join(', ') || 'none that is named';
  const { mediaType, digest, size } = parent;
  return new DrayError('not-found', `no manifest for ${wanted ?? 'this machine'} in ${digest}`, {
    descriptor: { mediaType, digest, size },
    hint: `there is ${there}; choose with --platform or take --all-platforms`,
  });
}
