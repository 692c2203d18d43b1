import { DrayError } from '../../errors.ts';
import { type Descriptor, describe } from '../../spec/descriptor.ts';
import { isManifestLike, mediaTypes } from '../../spec/media-types.ts';
import { isReferrersTag, type Referrer, referrersTag } from '../../spec/referrers.ts';
import { putManifest } from './manifests.ts';
import { listUnderTag } from './referrers.ts';
import type { Repository } from './repository.ts';
import type { UploadTarget } from './upload-session.ts';

/** Keeps the list of an object's referrers under a tag, for registries that do not (distribution-spec, Referrers Tag Schema). */

/** How often a list is written anew because somebody else wrote it at the same time. */
const writeLimit = 3;

/** Adds a referrer to the list of its subject, as {@link addToList} does. */
export async function addReferrer(target: UploadTarget, repository: Repository, referrer: Referrer): Promise<void> {
  await addToList(target, repository, referrersTag(referrer.subject.digest), [referrer.descriptor]);
}

/**
 * Adds entries to the list under a tag. No registry knows a conditional write, so it is read again afterwards and
 * written anew while others lose one; within one client writers take turns.
 * @throws DrayError `aborted` when others keep on losing it; `invalid-argument`, reason `bad-document`, when the tag is
 * something else's.
 */
export async function addToList(
  target: UploadTarget,
  repository: Repository,
  tag: string,
  added: readonly Descriptor[],
): Promise<void> {
  await target.host.turns.take(`${repository.path} ${tag}`, async () => {
    for (let writes = 0; writes <= writeLimit; writes += 1) {
      const entries = await listUnderTag(target.host, repository, tag, target.signal);
      const missing = without(added, entries);
      if (missing.length === 0) return;
      if (writes < writeLimit) await writeList(target, tag, [...entries, ...missing]);
    }
    throw new DrayError('aborted', `others write the list of referrers ${tag} at the same time`, {
      registry: target.host.registry,
      hint: 'push it again when they have finished',
    });
  });
}

/** Removes an entry from the list of its subject, if it is there. */
export async function removeReferrer(target: UploadTarget, repository: Repository, referrer: Referrer): Promise<void> {
  const tag = referrersTag(referrer.subject.digest);
  await target.host.turns.take(`${repository.path} ${tag}`, async () => {
    const entries = await listUnderTag(target.host, repository, tag, target.signal);
    const left = without(entries, [referrer.descriptor]);
    if (left.length < entries.length) await writeList(target, tag, left);
  });
}

/**
 * Whether an index may be put under a tag: where that is a list of referrers, it must lack nothing that is in it.
 * Otherwise the list gets what is in the index.
 */
export async function mayReplace(
  target: UploadTarget,
  repository: Repository,
  tag: string,
  manifests: readonly Descriptor[],
): Promise<boolean> {
  if (!isReferrersTag(tag) || !mayBeReferrers(manifests)) return true;
  const entries = await listUnderTag(target.host, repository, tag, target.signal);
  if (!mayBeReferrers(entries) || without(entries, manifests).length === 0) return true;
  await addToList(target, repository, tag, manifests);
  return false;
}

// What an image is made of has platforms, and what a cache is made of are layers.
function mayBeReferrers(manifests: readonly Descriptor[]): boolean {
  return manifests.every(({ mediaType, platform }) => isManifestLike(mediaType) && platform === undefined);
}

function without(entries: readonly Descriptor[], others: readonly Descriptor[]): readonly Descriptor[] {
  const digests = new Set(others.map(({ digest }) => digest));
  return entries.filter(({ digest }) => !digests.has(digest));
}

async function writeList(target: UploadTarget, tag: string, manifests: readonly Descriptor[]): Promise<void> {
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
  const bytes = Buffer.from(JSON.stringify(index));
  await putManifest(target, describe(mediaTypes.ociIndex, bytes), bytes, [tag]);
}
