import { DrayError, is } from '../errors.ts';
import type { ImageStore } from '../services/image-store.ts';
import { canonicalName, createOrUpdate, findImage } from './store-place.ts';

/** As `Client.tag` does, in any store of images. */
export async function tagImage(
  images: ImageStore,
  name: string,
  newName: string,
  { overwrite = false }: { readonly overwrite?: boolean } = {},
): Promise<string> {
  const { target, labels } = await findImage(images, name);
  const made = canonicalName(newName);
  try {
    await images.create({ name: made, target, labels });
  } catch (error) {
    if (!is(error, 'already-exists')) throw error;
    const there = await images.get(made);
    if (there.target.digest === target.digest) return made;
    if (!overwrite)
      throw new DrayError('already-exists', `${made} is another image`, { hint: 'move the name with --force' });
    await createOrUpdate(images, made, target, labels);
  }
  return made;
}
