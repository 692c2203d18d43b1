import { checkLabels } from '../content/labels.ts';
import { DrayError } from '../errors.ts';
import type { Image } from '../services/image-store.ts';
import { parseDigest } from '../spec/digest.ts';

/**
 * An image that may be kept, in whatever store.
 * @throws DrayError `invalid-argument` as `ImageStore.create` says.
 */
export function checkImage<T extends Pick<Image, 'name' | 'target' | 'labels'>>(image: T): T {
  const { name, target, labels } = image;
  if (typeof name !== 'string' || name === '' || !name.isWellFormed())
    throw new DrayError('invalid-argument', 'an image needs a name');
  checkLabels(labels);
  parseDigest(target?.digest);
  if (target.mediaType === '') throw new DrayError('invalid-argument', `the target of image ${name} has no media type`);
  if (!Number.isSafeInteger(target.size) || target.size <= 0) {
    throw new DrayError('invalid-argument', `the target of image ${name} has the impossible size ${target.size}`);
  }
  return image;
}
