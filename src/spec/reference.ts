import { DrayError } from '../errors.ts';
import { type Digest, parseDigest } from './digest.ts';
import { withoutCredentials } from './without-credentials.ts';

/**
 * An image reference, docker's rules applied: `redis` is `docker.io/library/redis:latest`. With a tag and a digest, the
 * digest says what is fetched and the tag is for people.
 */
export interface Reference {
  /** Host of the registry with its port, as written: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** Repository within the registry: `library/redis`. */
  readonly path: string;
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

const defaultDomain = 'docker.io';
const defaultTag = 'latest';
const maximumPathLength = 255;
const maximumLength = 1024;

const domainPattern =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[A-Fa-f0-9:]+\])(?::(\d+))?$/;
const componentPattern = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;

/**
 * Parses a reference as users write it. An `oci://` in front, which Helm and Flux write, is dropped.
 * @throws DrayError `invalid-argument` that says which part is wrong.
 */
export function parseReference(text: string): Reference {
  const reference = parseName(text);
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: defaultTag } : reference;
}

/**
 * Parses a repository: a reference without tag and digest.
 * @throws DrayError `invalid-argument` as {@link parseReference} does, and when a tag or digest is there.
 */
export function parseRepository(text: string): Reference {
  const reference = parseName(text);
  if (reference.tag !== undefined || reference.digest !== undefined) {
    throw invalid(text, 'a repository has no tag and no digest', `try ${repositoryOf(reference)}`);
  }
  return reference;
}

/**
 * Checks what a registry is called: its host, with a port if need be.
 * @throws DrayError `invalid-argument`, for a URL with the host in it as the next thing to try.
 */
export function parseRegistry(text: string): string {
  if (isDomain(text)) return text;
  if (text.includes('@')) throw holdsCredentials('registry');
  const host = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/\/.*$/s, '');
  throw new DrayError('invalid-argument', `${JSON.stringify(text)} is not a registry`, {
    hint: isDomain(host) ? `try ${host}` : 'a registry is a host, such as registry.example.com:5000',
  });
}

function isDomain(text: string): boolean {
  const match = domainPattern.exec(text);
  return match !== null && isPort(match[1]);
}

function isPort(text: string | undefined): boolean {
  return text === undefined || (Number(text) > 0 && Number(text) <= 65535);
}

function parseName(text: string): Reference {
  if (typeof text !== 'string') throw invalid(String(text), 'it is no text');
  const bare = text.startsWith('oci://') ? text.slice('oci://'.length) : text;
  rejectForeign(bare, text);
  const at = bare.indexOf('@');
  const digest = at === -1 ? undefined : parseDigestOf(bare.slice(at + 1), text);
  const { name, tag } = splitTag(at === -1 ? bare : bare.slice(0, at), text);
  const { domain, path } = splitDomain(name);
  const reference = {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
  checkDomain(domain, text);
  checkPath(reference, text);
  if (name.length === 64 && /^[a-f0-9]{64}$/.test(name)) {
    throw invalid(text, 'a repository cannot be 64 hexadecimal digits, which is an image ID');
  }
  return reference;
}

/** `domain/path`, which is what an image is called without its version. */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The whole reference in its one canonical spelling; {@link parseReference} reads it back. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${repositoryOf(reference)}${tag}${digest}`;
}

/** The shortest spelling that means the same: `redis`, `acme/app:1`, `ghcr.io/acme/app`. */
export function familiarReference(reference: Reference): string {
  const full = formatReference(reference);
  if (reference.domain !== defaultDomain) return full;
  const short = full.slice(defaultDomain.length + 1);
  const familiar = short.startsWith('library/') && !short.slice(8).includes('/') ? short.slice(8) : short;
  return readsAs(familiar, full) ? familiar : full;
}

function readsAs(short: string, full: string): boolean {
  try {
    return formatReference(parseReference(short)) === full;
  } catch {
    return false;
  }
}

/** `name@digest`: the same repository, pinned. */
export function pinned(reference: Reference, digest: Digest): string {
  return `${repositoryOf(reference)}@${digest}`;
}

/** Whether `text` may be a tag. */
export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** Whether `text` may be the path of a repository. */
export function isRepositoryPath(text: string): boolean {
  return text.length <= maximumPathLength && text.split('/').every((component) => componentPattern.test(component));
}

function splitTag(name: string, text: string): { name: string; tag?: string } {
  const colon = name.lastIndexOf(':');
  if (colon === -1 || colon < name.lastIndexOf('/')) return { name };
  const tag = name.slice(colon + 1);
  if (!isTag(tag))
    throw invalid(
      text,
      `${JSON.stringify(tag)} is not a tag`,
      'a tag has at most 128 letters, digits, dots, dashes and underscores',
    );
  return { name: name.slice(0, colon), tag };
}

// Docker's rule for what is a registry: a dot, a colon, `localhost`, or an upper-case letter, which no repository has.
function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const isDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const domain = isDomain ? first : defaultDomain;
  const path = isDomain ? name.slice(slash + 1) : name;
  const normal = domain === 'index.docker.io' ? defaultDomain : domain;
  return { domain: normal, path: normal === defaultDomain && !path.includes('/') ? `library/${path}` : path };
}

function parseDigestOf(digest: string, text: string): Digest {
  try {
    return parseDigest(digest);
  } catch (error) {
    throw invalid(text, error instanceof DrayError ? error.message : String(error));
  }
}

function rejectForeign(bare: string, text: string): void {
  if (bare === '') throw invalid(text, 'it is empty');
  if (withoutCredentials(bare) !== bare) throw holdsCredentials('reference');
  if (bare.length > maximumLength) throw invalid(text, `it is longer than ${maximumLength} characters`);
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(bare)?.[0];
  if (scheme !== undefined) throw invalid(text, 'it is a URL', `try ${bare.slice(scheme.length)}`);
  if (/[^\x21-\x7e]/.test(bare)) throw invalid(text, 'only visible ASCII characters are allowed');
}

function checkDomain(domain: string, text: string): void {
  const match = domainPattern.exec(domain);
  if (match === null) throw invalid(text, `${JSON.stringify(domain)} is not a host name`);
  if (!isPort(match[1])) throw invalid(text, `${match[1]} is not a port`);
}

function checkPath(reference: Reference, text: string): void {
  const { path } = reference;
  if (isRepositoryPath(path)) return;
  if (path.length > maximumPathLength)
    throw invalid(text, `the repository is longer than ${maximumPathLength} characters`);
  const lower = path.toLowerCase();
  if (isRepositoryPath(lower))
    throw invalid(
      text,
      'a repository must be in lower case',
      `try ${familiarReference({ ...reference, path: lower })}`,
    );
  throw invalid(text, `${JSON.stringify(path)} is not a repository`);
}

function holdsCredentials(of: string): DrayError {
  return new DrayError('invalid-argument', `invalid ${of}: there is a user, or a password, before the host`, {
    hint: 'a reference has no credentials; dray login HOST keeps those of a registry',
  });
}

function invalid(text: string, problem: string, hint?: string): DrayError {
  const shown = JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
  return new DrayError('invalid-argument', `invalid reference ${shown}: ${problem}`, {
    hint: hint ?? 'a reference looks like registry.example.com/team/app:1.0',
  });
}
