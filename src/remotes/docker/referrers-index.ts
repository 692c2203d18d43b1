import { DrayError } from '../../errors.ts';
import { type Descriptor, describe } from '../../spec/descriptor.ts';
import { mediaTypes } from '../../spec/media-types.ts';
import { type Referrer, referrersTag } from '../../spec/referrers.ts';
import { putManifest } from './manifests.ts';
import { listUnderTag } from './referrers.ts';
import type { Repository } from './repository.ts';
import type { UploadTarget } from './upload-session.ts';

/** Keeps the list of an object's referrers under a tag, for registries that do not (distribution-spec, Referrers Tag Schema). */

/** How often a list is written anew because somebody else wrote it at the same time. */
const writeLimit = 3;

/**
 * Adds an entry to the list of its subject. No registry knows a conditional write, so it is read again afterwards and
 * written anew while others lose it; within one client writers take turns.
 * @throws DrayError `aborted` when others keep on losing it; `invalid-argument`, reason `bad-document`, when the tag is
 * something else's.
 */
export async function addReferrer(target: UploadTarget, repository: Repository, referrer: Referrer): Promise<void> {
  await target.host.turns.take(`${repository.path} ${referrer.subject.digest}`, async () => {
    for (let writes = 0; writes <= writeLimit; writes += 1) {
      const entries = await listUnderTag(target.host, repository, referrer.subject.digest, target.signal);
      if (entries.some(({ digest }) => digest === referrer.descriptor.digest)) return;
      if (writes < writeLimit) await writeList(target, referrer.subject, [...entries, referrer.descriptor]);
    }
    throw new DrayError('aborted', `others write the referrers of ${referrer.subject.digest} at the same time`, {
      registry: target.host.registry,
      hint: 'push it again when they have finished',
    });
  });
}

/** Removes an entry from the list of its subject, if it is there. */
export async function removeReferrer(target: UploadTarget, repository: Repository, referrer: Referrer): Promise<void> {
  await target.host.turns.take(`${repository.path} ${referrer.subject.digest}`, async () => {
    const entries = await listUnderTag(target.host, repository, referrer.subject.digest, target.signal);
    const left = entries.filter(({ digest }) => digest !== referrer.descriptor.digest);
    if (left.length < entries.length) await writeList(target, referrer.subject, left);
  });
}

async function writeList(target: UploadTarget, subject: Descriptor, manifests: readonly Descriptor[]): Promise<void> {
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
  const bytes = Buffer.from(JSON.stringify(index));
  await putManifest(target, describe(mediaTypes.ociIndex, bytes), bytes, [referrersTag(subject.digest)]);
}
