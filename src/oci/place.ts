import { ArchivePlace } from './archive.ts';
import { DirectoryPlace } from './directory.ts';
import { type LayoutOptions, LayoutPlace } from './layout.ts';

const pattern = /^(oci|oci-archive|docker-archive):((?:[A-Za-z]:(?=[\\/]))?[^:]*)(?::(.*))?$/s;

/**
 * The place that `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]` or `dir:DIR` means; undefined for any
 * other text. `NAME` is a tag, a whole name or a digest.
 */
export function parsePlace(
  text: string,
  options: Pick<LayoutOptions, 'durability'> = {},
): LayoutPlace | ArchivePlace | DirectoryPlace | undefined {
  if (/^dir:./s.test(text)) return new DirectoryPlace(text.slice('dir:'.length));
  const [, scheme, path = '', image] = pattern.exec(text) ?? [];
  if (scheme === undefined || path === '') return undefined;
  const own = { ...options, image: image === '' ? undefined : image };
  if (scheme === 'oci') return new LayoutPlace(path, own);
  return new ArchivePlace(path, { ...own, format: scheme === 'oci-archive' ? 'oci' : 'docker' });
}
