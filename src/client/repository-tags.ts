import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import type { RegistryClient } from '../remotes/docker/registry-client.ts';
import { formatReference, parseRepository, type Reference } from '../spec/reference.ts';
import { isInRegistry } from './places.ts';

type Registry = Pick<RegistryClient, 'tags'>;

/** A reference to copy from and the one to copy it to. */
interface Pair {
  source: string;
  target: string;
}

/** As `Client.everyTag` does, with any client for registries. */
export async function everyTag(
  registry: Registry,
  source: string,
  target: string,
  options: AbortableOptions = {},
): Promise<Pair[]> {
  const [from, to] = [repositoryIn(source), repositoryIn(target)];
  const pairs: Pair[] = [];
  for await (const tag of registry.tags(source, options)) pairs.push(pairOf(from, to, tag));
  return pairs;
}

function repositoryIn(text: string): Reference {
  if (isInRegistry(text)) return parseRepository(text);
  throw new DrayError('invalid-argument', `${text} is no repository of a registry: all tags go from one to another`, {
    hint: 'copy the tags one by one, or name a repository: registry.example.com/team/app',
  });
}

function pairOf(from: Reference, to: Reference, tag: string): Pair {
  const named = ({ domain, path }: Reference): string => formatReference({ domain, path, tag });
  return { source: named(from), target: named(to) };
}
