import type { Digest } from '../spec/digest.ts';
import type { Info, Labels, Manager } from './store.ts';

/**
 * Gives a blob those labels that it does not have yet, and writes nothing when it has them all.
 * @throws DrayError `not-found`; `invalid-argument` for a label over the limit.
 */
export async function addLabels(
  store: Pick<Manager, 'info' | 'update'>,
  digest: Digest,
  labels: Labels = {},
): Promise<Info> {
  const info = await store.info(digest);
  const missing = Object.entries(labels).filter(([key, value]) => info.labels[key] !== value);
  if (missing.length === 0) return info;
  return await store.update(
    { digest, labels: Object.fromEntries(missing) },
    ...missing.map(([key]) => `labels.${key}`),
  );
}
