import type { ContentStore, Labels } from '../content/store.ts';
import type { Digest } from '../spec/digest.ts';

/** Sets those labels of a blob that it does not have yet; writes nothing when it has them all. */
export async function addLabels(
  content: Pick<ContentStore, 'info' | 'update'>,
  digest: Digest,
  labels: Labels,
): Promise<void> {
  const { labels: present } = await content.info(digest);
  const missing = Object.entries(labels).filter(([key, value]) => present[key] !== value);
  if (missing.length === 0) return;
  await content.update({ digest, labels: Object.fromEntries(missing) }, ...missing.map(([key]) => `labels.${key}`));
}
