import { DrayError } from '../../errors.ts';
import type { Reference } from '../../spec/reference.ts';
import { errorFrom } from './errors.ts';
import { exchange } from './exchange.ts';
import type { HostState } from './host-state.ts';
import { nameOf, type Repository } from './repository.ts';

/** Deletes a manifest. @throws DrayError `not-found`, `not-implemented`. */
export async function deleteManifest(
  host: HostState,
  repository: Repository,
  { digest }: Reference,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (digest === undefined) {
    throw new DrayError('invalid-argument', 'a manifest is deleted by its digest', {
      hint: 'name it with @sha256:…, or delete the tag',
    });
  }
  await remove(host, repository, digest, signal);
}

/** Deletes a tag. @throws DrayError `not-found`, `not-implemented`. */
export async function deleteTag(
  host: HostState,
  repository: Repository,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await remove(host, repository, tag, signal);
}

async function remove(
  host: HostState,
  repository: Repository,
  version: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const operation = `delete ${nameOf(repository)} ${version}`;
  const response = await exchange(host, {
    method: 'DELETE',
    url: host.url(`${repository.path}/manifests/${version}`),
    scopes: [host.scope(repository.path, 'pull', 'delete')],
    repository: repository.path,
    expect: 'any',
    operation,
    signal,
  });
  if (response.status >= 200 && response.status < 300) return response.body.discard();
  throw await errorFrom(response, response.context);
}
