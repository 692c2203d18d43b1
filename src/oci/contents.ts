import type { ArchiveContents } from './archive-contents.ts';
import { badArchive } from './archive-error.ts';
import { imagesOfIndex } from './archive-image.ts';
import type { Catalog } from './catalog.ts';
import { type DockerOptions, dockerContents } from './docker-archive.ts';
import { checkLayout } from './layout-version.ts';
import { legacyContents } from './legacy-archive.ts';

/**
 * Makes sense of an archive: an OCI layout if there is an index with something in it, else a docker-archive by its
 * `manifest.json`, else by its `repositories`.
 * @throws DrayError `invalid-argument`, reason `bad-archive` or `bad-document`; `data-loss`, reason `digest-mismatch`, when a
 * layer is not what its config says.
 */
export async function contentsOf(catalog: Catalog, options: DockerOptions = {}): Promise<ArchiveContents> {
  checkLayout(catalog.document('oci-layout'));
  const index = catalog.document('index.json');
  const images = index === undefined ? [] : imagesOfIndex(index);
  if (index !== undefined && images.length > 0) return { format: 'oci', images, documents: [], index };
  const manifests = catalog.document('manifest.json');
  if (manifests !== undefined) return dockerContents(catalog, manifests, options);
  const repositories = catalog.document('repositories');
  if (index === undefined && repositories !== undefined) return legacyContents(catalog, repositories, options);
  if (index !== undefined) throw badArchive('its index.json lists no image');
  throw badArchive('it has neither index.json nor manifest.json nor repositories', {
    hint: 'make it with docker save, skopeo copy or ctr images export',
  });
}
