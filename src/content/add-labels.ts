import type { Digest } from '../spec/digest.ts';
import type { AbortableOptions, Info, Labels, Manager } from './store.ts';

/**
 * Gives a blob those labels that it does not have yet, and writes nothing when it has them all. They may depend on those that it
 * has; an empty value takes one away.
 * @throws DrayError `not-found`; `invalid-argument` for a label over the limit.
 */
export async function addLabels(
  store: Pick<Manager, 'info' | 'update'>,
  digest: Digest,
  labels: Labels | ((known: Labels) => Labels) = {},
  options: AbortableOptions = {},
): Promise<Info> {
  const info = await store.info(digest, options);
  const wanted = typeof labels === 'function' ? labels(info.labels) : labels;
  const missing = Object.entries(wanted).filter(([key, value]) => (info.labels[key] ?? '') !== value);
  if (missing.length === 0) return info;
  return await store.update(
    { digest, labels: Object.fromEntries(missing) },
    ...missing.map(([key]) => `labels.${key}`),
  );
}
