import { canonicalRegistry } from '../remotes/docker/credentials.ts';
import { isRepositoryPath, parseRepository, repositoryOf } from '../spec/reference.ts';
import { refusal } from './codes.ts';

/** A repository, under the two names it has. */
export interface RepositoryName {
  /** What the names of its images in the store begin with: `docker.io/library/redis`, `localhost/app`. */
  readonly full: string;
  /** What it is called in URLs, in scopes of tokens and in the catalog: `docker.io/library/redis`, `app`. */
  readonly short: string;
  /** Host part of the full name. */
  readonly domain: string;
}

/**
 * Which repository a request means. There is one store behind all names, so a path whose first part looks like a host is a
 * whole name; with the `ns` query, which mirrors get (distribution-spec, Registry Proxying), that is the host; any other
 * path belongs to `local`. So `/v2/docker.io/library/redis/`, and `/v2/library/redis/` with `ns=docker.io`, are the
 * repository that `docker.io/library/redis:7` is an image of, and `/v2/app/` is that of `localhost/app:1`.
 * @throws DrayError `NAME_INVALID`.
 */
export function repositoryName(path: string, ns: string | undefined, local: string): RepositoryName {
  if (!isRepositoryPath(path)) throw invalid(path);
  if (ns !== undefined && (ns.includes('/') || !startsWithHost(`${ns}/`))) throw invalid(`${ns}/${path}`);
  // Some clients name the server that Docker Hub has its images at.
  const text = ns !== undefined ? `${canonicalRegistry(ns)}/${path}` : startsWithHost(path) ? path : `${local}/${path}`;
  try {
    return nameOf(text, local);
  } catch (error) {
    throw invalid(text, error);
  }
}

/** The repository of a full name, `docker.io/library/redis`; undefined when it is none. */
export function repositoryOfImage(text: string, local: string): RepositoryName | undefined {
  try {
    return nameOf(text, local);
  } catch {
    return undefined;
  }
}

function nameOf(text: string, local: string): RepositoryName {
  const reference = parseRepository(text);
  const full = repositoryOf(reference);
  const isLocal = reference.domain === local && !startsWithHost(reference.path);
  return { full, short: isLocal ? reference.path : full, domain: reference.domain };
}

function startsWithHost(path: string): boolean {
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(slash, 0));
  return first.includes('.') || first.includes(':') || first === 'localhost';
}

function invalid(text: string, cause?: unknown): Error {
  return refusal('NAME_INVALID', `invalid repository name ${JSON.stringify(text.slice(0, 300))}`, {
    hint: 'a repository is made of lower-case letters, digits and separators, with slashes between its parts',
    cause,
  });
}
