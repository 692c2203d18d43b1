import { checkLabels, isLabelPath, presentLabels, updateLabels } from '../content/labels.ts';
import type { Labels } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { type Fields, fieldsOf } from '../filters/filter.ts';
import type { Image, NewImage } from '../services/image-store.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { parseDigest } from '../spec/digest.ts';

type Named = Pick<Image, 'name' | 'target' | 'labels'>;

/**
 * An image that may be kept, in whatever store.
 * @throws DrayError `invalid-argument` as `ImageStore.create` says.
 */
export function checkImage<T extends Named>(image: T): T {
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

/**
 * What an image is after an update by field paths. The annotations of the target are fields of their own.
 * @throws DrayError `invalid-argument` as `ImageStore.update` says.
 */
export function mergeImage(current: Image, change: NewImage, fieldpaths: readonly string[]): Named {
  const { name, target, labels = {} } = change;
  if (fieldpaths.length === 0) return checkImage({ name, target, labels: presentLabels(labels) });
  const forLabels = fieldpaths.filter((path) => path === 'labels' || isLabelPath(path));
  const forAnnotations = fieldpaths.filter((path) => path === 'annotations' || path.startsWith('annotations.'));
  const unknown = fieldpaths.find((path) => path !== 'target' && ![...forLabels, ...forAnnotations].includes(path));
  if (unknown !== undefined) {
    throw new DrayError('invalid-argument', `cannot update field ${JSON.stringify(unknown)} of an image`, {
      hint: 'target, labels, labels.KEY, annotations and annotations.KEY can be updated',
    });
  }
  const base = fieldpaths.includes('target') ? target : current.target;
  return checkImage({
    name,
    target: forAnnotations.length === 0 ? base : { ...base, annotations: annotationsOf(base, target, forAnnotations) },
    labels: forLabels.length === 0 ? current.labels : updateLabels(current.labels, labels, forLabels),
  });
}

function annotationsOf(base: Descriptor, change: Descriptor, paths: readonly string[]): Labels {
  const asLabels = paths.map((path) => path.replace('annotations', 'labels'));
  return updateLabels(base.annotations ?? {}, change.annotations ?? {}, asLabels);
}

/** How filters see an image. */
export function imageFields({ name, target, labels }: Image): Fields {
  const { digest, mediaType: mediatype, annotations } = target;
  return fieldsOf({ name, target: { digest, mediatype }, labels, annotations });
}
