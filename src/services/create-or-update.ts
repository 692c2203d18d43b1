import { ifFound, unless } from '../errors.ts';
import type { ImageStore, NewImage } from './image-store.ts';

/** Gives a name to an object: a new one, or the target and the given labels of the one that there is. */
export async function createOrUpdate(images: ImageStore, image: NewImage): Promise<void> {
  const changed = ['target', ...Object.keys(image.labels ?? {}).map((key) => `labels.${key}`)];
  for (;;) {
    if ((await unless('already-exists', images.create(image))) !== undefined) return;
    // Somebody may delete it in between.
    if ((await ifFound(images.update(image, ...changed))) !== undefined) return;
  }
}
