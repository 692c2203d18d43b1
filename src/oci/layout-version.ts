import { parseLayout } from '../spec/documents.ts';
import { badArchive, shown } from './archive-error.ts';

/** The only version of the layout there is. */
const layoutVersion = '1.0.0';

/** @throws DrayError `invalid-argument`, reason `bad-archive`, for a version that nobody knows. */
export function checkLayout(bytes: Uint8Array | undefined): void {
  if (bytes === undefined) return;
  const { imageLayoutVersion } = parseLayout(bytes);
  if (imageLayoutVersion === layoutVersion) return;
  throw badArchive(`its layout has the unknown version ${shown(imageLayoutVersion)}`, {
    hint: `the version that is known is ${layoutVersion}`,
  });
}

/** The `oci-layout` file. */
export function encodeLayout(): Buffer {
  return Buffer.from(JSON.stringify({ imageLayoutVersion: layoutVersion }));
}
