import { DrayError, ifFound } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import type { Digest } from '../../spec/digest.ts';
import { mediaTypes } from '../../spec/media-types.ts';
import { errorFrom } from './answer-errors.ts';
import { isThere, lookAtBlob, sizeIn } from './exists.ts';
import type { HostState } from './host-state.ts';
import { firstOf, nameOf, type Repository } from './repository.ts';
import { resolveVersion } from './resolver.ts';

/**
 * The descriptor of whatever a repository has under a digest: a blob, else a manifest. A blob's type is not known to a
 * registry.
 * @throws DrayError `not-found` and what else the hosts answer.
 */
export async function statDigest(repository: Repository, digest: Digest, signal?: AbortSignal): Promise<Descriptor> {
  const hosts = await repository.hosts('pull');
  const blob = await ifFound(firstOf(hosts, (host) => statBlob(host, repository, digest, signal), signal));
  return blob ?? (await resolveVersion(repository, { digest }, signal));
}

async function statBlob(
  host: HostState,
  repository: Repository,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const response = await lookAtBlob(host, {
    ...host.inRepository(repository.path, `blobs/${digest}`, 'pull'),
    operation: `look at ${nameOf(repository)}@${digest}`,
    signal,
  });
  if (!isThere(response)) throw await errorFrom(response, response.context);
  await response.body.discard();
  const size = sizeIn(response);
  if (size !== undefined) return { mediaType: mediaTypes.octetStream, digest, size };
  throw new DrayError('unavailable', `${host.registry} does not say how large ${digest} is`, {
    registry: host.registry,
    hint: 'a proxy in between may leave out Content-Length',
  });
}
