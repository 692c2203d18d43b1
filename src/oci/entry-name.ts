import { type Digest, isDigest } from '../spec/digest.ts';
import { badArchive, shown } from './archive-error.ts';

/**
 * The name of an entry in its one spelling: no `./` in front, no empty or `.` parts, no slash at the end; empty for the root.
 * Names are only ever looked up, never used as paths; one that would leave the archive is refused all the same.
 * @throws DrayError `invalid-argument`, reason `bad-archive`.
 */
export function entryName(written: string): string {
  const problem = problemOf(written);
  if (problem !== undefined) throw badArchive(`entry ${shown(written)} ${problem}`);
  return normal(written.split('/'));
}

function problemOf(name: string): string | undefined {
  if (name.startsWith('/')) return 'has an absolute name';
  if (name.includes('\\') || /^[A-Za-z]:/.test(name)) return 'has the name of a Windows path';
  return name.split('/').includes('..') ? 'leads out of the archive' : undefined;
}

function normal(parts: readonly string[]): string {
  return parts.filter((part) => part !== '' && part !== '.').join('/');
}

/**
 * The name that a link means: relative to its own directory for a symbolic link, to the root of the archive for a hard link.
 * @throws DrayError `invalid-argument`, reason `bad-archive`, when it leads out of the archive.
 */
export function linkTarget(link: string, written: string, kind: 'symlink' | 'hardlink'): string {
  const absolute = written.startsWith('/') || written.includes('\\') || /^[A-Za-z]:/.test(written);
  const start = kind === 'symlink' ? link.split('/').slice(0, -1) : [];
  const parts: string[] = [];
  for (const part of [...start, ...written.split('/')]) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) throw leaves(link, written);
  }
  if (absolute) throw leaves(link, written);
  return parts.join('/');
}

function leaves(link: string, target: string): ReturnType<typeof badArchive> {
  return badArchive(`link ${shown(link)} leads out of the archive, to ${shown(target)}`);
}

/** The digest that a name `blobs/<algorithm>/<encoded>` promises (image-spec image-layout.md); undefined for other names. */
export function digestOfName(name: string): Digest | undefined {
  const match = /^blobs\/([^/]+)\/([^/]+)$/.exec(name);
  const digest = match === null ? '' : `${match[1]}:${match[2]}`;
  return isDigest(digest) ? digest : undefined;
}

/** Where an image layout keeps a blob. */
export function nameOfDigest(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}
