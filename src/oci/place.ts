import { DrayError } from '../errors.ts';
import { ArchivePlace } from './archive.ts';
import { DirectoryPlace } from './directory.ts';
import { type LayoutOptions, LayoutPlace } from './layout.ts';

const pattern =
  /^(oci|oci-archive|docker-archive):((?:[A-Za-z]:(?=[\\/]))?[^:]*?)(?:@((?:sha256|sha384|sha512|blake3):[0-9a-f]+)|:(.*))?$/s;

/**
 * The place that `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]` or `dir:DIR` means; undefined for any
 * other text. `NAME` is a tag, a whole name or a digest. `@DIGEST` may stand for `:DIGEST`, as a copy prints it.
 * @throws DrayError `invalid-argument` when there is no path.
 */
export function parsePlace(
  text: string,
  options: Pick<LayoutOptions, 'durability'> = {},
): LayoutPlace | ArchivePlace | DirectoryPlace | undefined {
  if (/^dir:./s.test(text)) return new DirectoryPlace(text.slice('dir:'.length));
  const [, scheme, path = '', digest, name] = pattern.exec(text) ?? [];
  if (scheme === undefined) return undefined;
  if (path === '')
    throw new DrayError('invalid-argument', `${scheme}: names no path`, {
      hint: `write ${scheme}:PATH or ${scheme}:PATH:NAME`,
    });
  const own = { ...options, image: digest ?? (name === '' ? undefined : name) };
  if (scheme === 'oci') return new LayoutPlace(path, own);
  return new ArchivePlace(path, { ...own, format: scheme === 'oci-archive' ? 'oci' : 'docker' });
}
