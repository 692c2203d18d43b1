import { type Digest, isDigest } from '../spec/digest.ts';
import { isTag } from '../spec/reference.ts';
import { refusal } from './codes.ts';

/** How a manifest is asked for. */
export type ManifestReference = { readonly tag: string } | { readonly digest: Digest };

/** What a path means (distribution-spec, Endpoints). `path` is the name of a repository, not checked yet. */
export type Route =
  | { readonly kind: 'ping' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly path: string }
  | { readonly kind: 'manifest'; readonly path: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly path: string; readonly digest: string }
  | { readonly kind: 'uploads'; readonly path: string }
  | { readonly kind: 'upload'; readonly path: string; readonly id: string }
  | { readonly kind: 'referrers'; readonly path: string; readonly digest: string };

/** The target of a request: where it goes, and with which query. */
export interface RequestTarget {
  readonly path: string;
  readonly query: URLSearchParams;
}

/**
 * Splits the target of a request as it stands on the request line. Nothing is normalised: a path with `..` stays one, and no
 * route has such a part.
 * @throws DrayError `UNSUPPORTED` for the absolute form, which is for proxies.
 */
export function parseTarget(target: string): RequestTarget {
  if (!target.startsWith('/')) throw refusal('UNSUPPORTED', 'this is no proxy', { status: 400 });
  const question = target.indexOf('?');
  if (question === -1) return { path: target, query: new URLSearchParams() };
  return { path: target.slice(0, question), query: new URLSearchParams(target.slice(question + 1)) };
}

/** What a path means; undefined when it means nothing. It is read from its end, since a repository may be called `blobs`. */
export function parseRoute(path: string): Route | undefined {
  const parts = path.split('/').map(decode);
  if (parts.some((part) => part === undefined) || parts[0] !== '' || parts[1] !== 'v2') return undefined;
  const rest = parts.slice(2) as string[];
  if (rest.length === 0 || (rest.length === 1 && rest[0] === '')) return { kind: 'ping' };
  if (rest.length === 1 && rest[0] === '_catalog') return { kind: 'catalog' };
  const last = rest.at(-1) ?? '';
  if (rest.at(-3) === 'blobs' && rest.at(-2) === 'uploads') {
    const name = rest.slice(0, -3).join('/');
    return last === '' ? { kind: 'uploads', path: name } : { kind: 'upload', path: name, id: last };
  }
  const name = rest.slice(0, -2).join('/');
  switch (rest.at(-2)) {
    case 'manifests':
      return { kind: 'manifest', path: name, reference: last };
    case 'referrers':
      return { kind: 'referrers', path: name, digest: last };
    case 'tags':
      return last === 'list' ? { kind: 'tags', path: name } : undefined;
    case 'blobs':
      return last === 'uploads' ? { kind: 'uploads', path: name } : { kind: 'blob', path: name, digest: last };
    default:
      return undefined;
  }
}

// A part that decodes to more than one is no part of any route.
function decode(part: string): string | undefined {
  if (!part.includes('%')) return part;
  try {
    const decoded = decodeURIComponent(part);
    return decoded.includes('/') ? undefined : decoded;
  } catch {
    return undefined;
  }
}

/** @throws DrayError `DIGEST_INVALID` for a malformed digest or an algorithm that is not supported. */
export function digestFrom(text: string): Digest {
  if (isDigest(text)) return text;
  throw refusal('DIGEST_INVALID', `invalid or unsupported digest ${JSON.stringify(text.slice(0, 200))}`, {
    hint: 'a digest looks like sha256: followed by 64 lower-case hexadecimal digits',
  });
}

/** @throws DrayError `TAG_INVALID`. */
export function tagFrom(text: string): string {
  if (isTag(text)) return text;
  throw refusal('TAG_INVALID', `invalid tag ${JSON.stringify(text.slice(0, 200))}`, {
    hint: 'a tag has at most 128 letters, digits, dots, dashes and underscores, and begins with no dot or dash',
  });
}

/** What has a colon is a digest, anything else a tag. @throws DrayError `DIGEST_INVALID`, `TAG_INVALID`. */
export function manifestReference(text: string): ManifestReference {
  return text.includes(':') ? { digest: digestFrom(text) } : { tag: tagFrom(text) };
}
