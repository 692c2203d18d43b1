import { randomUUID } from 'node:crypto';
import { DrayError, is } from '../../errors.ts';
import { describe } from '../../spec/descriptor.ts';
import type { Digest } from '../../spec/digest.ts';
import { mediaTypes } from '../../spec/media-types.ts';
import { referrerOf } from '../../spec/referrers.ts';
import { errorFrom } from './answer-errors.ts';
import { exchange } from './exchange.ts';
import type { HostResponse } from './host-request.ts';
import type { HostState } from './host-state.ts';
import { putManifest } from './manifests.ts';
import { hasReferrersApi } from './referrers.ts';
import { removeReferrer } from './referrers-index.ts';
import { nameOf, type Repository } from './repository.ts';
import { getManifestFrom } from './resolver.ts';

/**
 * Deletes a manifest, and with it its entry in a list of referrers that the registry does not keep itself.
 * @throws DrayError `not-found`, `not-implemented`.
 */
export async function deleteManifest(
  host: HostState,
  repository: Repository,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { descriptor, bytes } = await getManifestFrom(host, repository, { digest }, signal);
  const referrer = referrerOf(descriptor, bytes);
  await expectDeleted(await remove(host, repository, digest, signal));
  if (referrer === undefined || (await hasReferrersApi(host, repository, referrer.subject.digest, signal))) return;
  const target = { host, path: repository.path, operation: `delete in ${nameOf(repository)}`, signal };
  await removeReferrer(target, repository, referrer);
}

/**
 * Deletes a tag and leaves the manifest. Where a registry deletes only manifests, the tag is first given to a manifest made
 * for that, which is then deleted.
 * @throws DrayError `not-found`, `not-implemented`.
 */
export async function deleteTag(
  host: HostState,
  repository: Repository,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const response = await remove(host, repository, tag, signal);
  if (![400, 405, 501].includes(response.status)) return await expectDeleted(response);
  const unsupported = await errorFrom(response, response.context);
  await getManifestFrom(host, repository, { tag }, signal);
  await deleteByReplacing(host, repository, tag, signal).catch((error: unknown) => {
    throw is(error, 'not-implemented') ? unsupportedTag(unsupported, error) : error;
  });
}

// The first one, without a tag, shows whether manifests can be deleted at all: nobody may lose a tag to a registry that
// then keeps what it was replaced by.
async function deleteByReplacing(
  host: HostState,
  repository: Repository,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const target = { host, path: repository.path, operation: `delete in ${nameOf(repository)}`, signal };
  for (const tags of [[], [tag]]) {
    const index = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [],
      annotations: { id: randomUUID() },
    };
    const bytes = Buffer.from(JSON.stringify(index));
    const descriptor = describe(mediaTypes.ociIndex, bytes);
    await putManifest(target, descriptor, bytes, tags);
    await expectDeleted(await remove(host, repository, descriptor.digest, signal));
  }
}

async function expectDeleted(response: HostResponse): Promise<void> {
  // Gone after a first attempt that nobody answered.
  const isGone = response.status === 404 && (response.context.attempts ?? 1) > 1;
  if (!isGone && response.status >= 300) throw await errorFrom(response, response.context);
  await response.body.discard();
}

function unsupportedTag(error: DrayError, cause: unknown): DrayError {
  return new DrayError('not-implemented', error.message, {
    ...error.context,
    reason: undefined,
    hint: 'this registry deletes nothing; its operator may have to allow it',
    cause,
  });
}

async function remove(
  host: HostState,
  repository: Repository,
  version: string,
  signal: AbortSignal | undefined,
): Promise<HostResponse> {
  return await exchange(host, {
    method: 'DELETE',
    ...host.inRepository(repository.path, `manifests/${version}`, 'pull', 'delete'),
    expect: 'any',
    operation: `delete ${nameOf(repository)} ${version}`,
    signal,
  });
}
