import type { AbortableOptions } from '../content/store.ts';
import type { Services } from '../services/services.ts';
import { findImage } from './store-place.ts';

/**
 * An image as `findImage` finds it, whose content a lease holds from now on: whoever takes the name away and collects meanwhile
 * takes none of it.
 * @throws DrayError `not-found`.
 */
export async function heldImage(
  { images, leases }: Pick<Services, 'images' | 'leases'>,
  name: string,
  lease: string,
  options: AbortableOptions = {},
): ReturnType<typeof findImage> {
  for (let found = await findImage(images, name, options); ; ) {
    await leases.addResource(lease, { type: 'content', id: found.target.digest }, options);
    // Only what has the name still was held in time.
    const { target } = found;
    found = await findImage(images, name, options);
    if (found.target.digest === target.digest) return found;
  }
}
