import { DrayError, is } from '../errors.ts';
import { createOrUpdate } from '../services/create-or-update.ts';
import type { Image } from '../services/image-store.ts';
import type { Services } from '../services/services.ts';
import { heldImage } from './held-image.ts';
import { withLease } from './lease.ts';
import { canonicalName } from './store-place.ts';

/** How a name is given that there may be already. */
export interface TagOptions {
  readonly overwrite?: boolean | undefined;
}

/** As `Client.tag` does, in any services. */
export async function tagImage(
  services: Pick<Services, 'images' | 'leases'>,
  name: string,
  newName: string,
  options: TagOptions = {},
): Promise<string> {
  return await withLease(services.leases, {}, async (lease) => {
    const image = await heldImage(services, name, lease);
    return await giveName(services.images, image, canonicalName(newName), options);
  });
}

async function giveName(
  images: Services['images'],
  { target, labels }: Pick<Image, 'target' | 'labels'>,
  made: string,
  { overwrite = false }: TagOptions,
): Promise<string> {
  try {
    await images.create({ name: made, target, labels });
  } catch (error) {
    if (!is(error, 'already-exists')) throw error;
    const there = await images.get(made);
    if (there.target.digest === target.digest) return made;
    if (!overwrite)
      throw new DrayError('already-exists', `${made} is another image`, { hint: 'move the name with --force' });
    await createOrUpdate(images, { name: made, target, labels });
  }
  return made;
}
