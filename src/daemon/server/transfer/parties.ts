import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { DrayError } from '../../../errors.ts';
import { formatPlatform } from '../../../spec/platform.ts';
import { unpackAny } from '../../any.ts';
import {
  type ImageExportStream,
  ImageExportStreamSchema,
  type ImageImportStream,
  ImageImportStreamSchema,
  type ImageStore,
  ImageStoreSchema,
  type OCIRegistry,
  OCIRegistrySchema,
} from '../../gen/transfer_types_pb.ts';
import type { Platform } from '../../gen/types_pb.ts';

/** What a transfer goes from or to. */
export type Party =
  | { readonly is: 'store'; readonly message: ImageStore }
  | { readonly is: 'import'; readonly message: ImageImportStream }
  | { readonly is: 'export'; readonly message: ImageExportStream }
  | { readonly is: 'registry'; readonly message: OCIRegistry };

/** The party that a message describes; undefined for one of another kind. */
export function partyOf(message: Any | undefined): Party | undefined {
  if (message === undefined) return undefined;
  return (
    as(message, ImageStoreSchema, (store): Party => ({ is: 'store', message: store })) ??
    as(message, ImageImportStreamSchema, (archive): Party => ({ is: 'import', message: archive })) ??
    as(message, ImageExportStreamSchema, (archive): Party => ({ is: 'export', message: archive })) ??
    as(message, OCIRegistrySchema, (registry): Party => ({ is: 'registry', message: registry }))
  );
}

function as<D extends DescMessage>(
  message: Any,
  schema: D,
  make: (message: MessageShape<D>) => Party,
): Party | undefined {
  const found = unpackAny(schema, message);
  return found && make(found);
}

/** The names that an image gets. @throws DrayError `invalid-argument` when there is none. */
export function namesFor({ name, extraReferences }: ImageStore): string[] {
  const names = [name, ...extraReferences.filter((one) => !one.isPrefix).map((one) => one.name)];
  const said = names.filter((one) => one !== '');
  if (said.length > 0) return said;
  throw new DrayError('invalid-argument', 'no name for the image');
}

/** The names of the images to read. @throws DrayError `not-implemented` for all of a repository; `invalid-argument` for none. */
export function namesOf(store: ImageStore): string[] {
  if (store.extraReferences.every((one) => !one.isPrefix)) return namesFor(store);
  throw new DrayError('not-implemented', 'images are not looked up by a part of their name');
}

/** The platforms that are named; all if there are none. */
export function platformsOf(platforms: readonly Platform[]): 'all' | string[] {
  if (platforms.length === 0) return 'all';
  return platforms.map(({ os, architecture, variant, osVersion, osFeatures }) =>
    formatPlatform({ os, architecture, variant, 'os.version': osVersion || undefined, 'os.features': osFeatures }),
  );
}
