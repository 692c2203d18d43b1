import type { Digest } from '../spec/digest.ts';
import type { Exchange } from './exchange.ts';
import { type RepositoryName, repositoryName, repositoryOfImage } from './names.ts';
import { repositoriesOf } from './repository.ts';
import type { RegistryState, RepositoryRequest } from './state.ts';

/**
 * Takes a blob over from another repository (distribution-spec, Mounting): the one that `from` names, else any that has it.
 * The client must be allowed to read it there; whether it may not, or there is nothing, is not told apart.
 */
export async function mountBlob(request: RepositoryRequest, digest: Digest): Promise<boolean> {
  const { exchange, state, repository } = request;
  const from = exchange.query.get('from');
  const source = from === null ? await anySource(request, digest) : named(from, state);
  if (source === undefined || !mayRead(exchange, source)) return false;
  if ((await state.repository(source).blob(digest)) === undefined) return false;
  await state.holds.arriving(repository.name.full, digest);
  return await repository.addBlob(digest);
}

function named(from: string, state: RegistryState): RepositoryName | undefined {
  try {
    return repositoryName(from, undefined, state.domain);
  } catch {
    // A client that asks for nonsense gets a session, as one that asks for what is not there.
    return undefined;
  }
}

async function anySource(
  { exchange, state, repository }: RepositoryRequest,
  digest: Digest,
): Promise<RepositoryName | undefined> {
  const info = await repository.info(digest);
  if (info === undefined) return undefined;
  const names = repositoriesOf(info).map((full) => repositoryOfImage(full, state.domain));
  return names.find((name) => name !== undefined && mayRead(exchange, name));
}

function mayRead({ identity }: Exchange, name: RepositoryName): boolean {
  return identity.allows({ type: 'repository', name: name.short, action: 'pull' });
}
