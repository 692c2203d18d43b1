import { isRepositoryPath, isTag } from '../../spec/reference.ts';
import type { HostState } from './host-state.ts';
import { namesIn, pages } from './pages.ts';
import { firstOf, nameOf, type Repository } from './repository.ts';
import { catalogScope } from './scopes.ts';

/** How many names are asked for at once; more are refused by some registries. */
const pageSize = 1000;

/**
 * The tags of a repository, in the registry's order, page by page as they are read.
 * @throws DrayError `not-found` and what else the registry answers.
 */
export async function* listTags(repository: Repository, signal?: AbortSignal): AsyncGenerator<string> {
  const hosts = await repository.hosts('resolve');
  const { first, rest } = await firstOf(hosts, (host) => firstPage(tagPages(host, repository, signal)), signal);
  if (first !== undefined) yield* first;
  for await (const names of rest) yield* names;
}

/** The repositories of a registry, where it tells. @throws DrayError what the registry answers. */
export async function* listRepositories(host: HostState, signal?: AbortSignal): AsyncGenerator<string> {
  const list = pages(host, {
    url: host.url(`_catalog?n=${pageSize}`),
    scopes: [catalogScope],
    operation: `list the repositories of ${host.registry}`,
    signal,
  });
  // As with tags below: what a list says goes into the next command.
  for await (const page of list) yield* namesIn(host, page, 'repositories').filter(isRepositoryPath);
}

async function* tagPages(
  host: HostState,
  repository: Repository,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly string[]> {
  const list = pages(host, {
    ...host.inRepository(repository.path, `tags/list?n=${pageSize}`, 'pull'),
    operation: `list the tags of ${nameOf(repository)}`,
    signal,
  });
  // Some list names that no reference can hold, for what they keep beside images.
  for await (const page of list) yield namesIn(host, page, 'tags').filter(isTag);
}

async function firstPage<T>(list: AsyncGenerator<T>): Promise<{ first: T | undefined; rest: AsyncGenerator<T> }> {
  const { value, done } = await list.next();
  return { first: done === true ? undefined : value, rest: list };
}
