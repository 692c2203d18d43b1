import type { Descriptor } from '../spec/descriptor.ts';
import { entryOf } from './archive-image.ts';
import { compareText } from './index-encoding.ts';
import { isRefName, refNameOf } from './names.ts';
import type { Plan } from './plan.ts';

/** An object to export, under one name, several or none. */
export interface ExportImage {
  readonly target: Descriptor;
  readonly names?: readonly string[] | undefined;
}

/** The descriptors for an `index.json`: one for each name of each image, in an order of their own. */
export function indexEntries(plan: Plan, images: readonly ExportImage[]): Descriptor[] {
  const refNames = refNamesOf(images);
  const entries = new Map<string, Descriptor>();
  for (const { target, names = [] } of images) {
    if (!plan.objects.has(target.digest)) continue;
    if (names.length === 0) entries.set(`\0${target.digest}`, target);
    for (const name of names) {
      const refName = refNames.get(name);
      entries.set(`${name}\0${target.digest}`, entryOf({ target, imageName: name, refName }));
    }
  }
  const roots = new Set(images.map(({ target }) => target.digest));
  const inTree = new Set([...plan.children.values()].flat().map(({ digest }) => digest));
  const loose = [...plan.referrers.values()].filter(
    ({ referrer: { digest } }) => !roots.has(digest) && !inTree.has(digest) && plan.objects.has(digest),
  );
  return [
    ...[...entries].sort(([a], [b]) => compareText(a, b)).map(([, entry]) => entry),
    ...loose
      .sort((a, b) => compareText(a.referrer.digest, b.referrer.digest))
      .map(({ referrer, subject }) => entryOf({ target: referrer, subject })),
  ];
}

// A tag that two images share would stand for either of them, depending on who reads it.
function refNamesOf(images: readonly ExportImage[]): Map<string, string | undefined> {
  const names = [...new Set(images.flatMap((image) => image.names ?? []))];
  const counts = new Map<string | undefined, number>();
  for (const name of names) counts.set(refNameOf(name), (counts.get(refNameOf(name)) ?? 0) + 1);
  return new Map(
    names.map((name) => {
      const short = refNameOf(name);
      if (counts.get(short) === 1) return [name, short];
      return [name, isRefName(name) ? name : undefined];
    }),
  );
}
