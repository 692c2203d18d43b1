import { readDocument } from '../content/documents.ts';
import type { ContentStore } from '../content/store.ts';
import { ifFound } from '../errors.ts';
import { referrerLabel } from '../images/labels.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { type Digest, parseDigest } from '../spec/digest.ts';
import { detectMediaType } from '../spec/documents.ts';
import { type Referrer, referrerOf } from '../spec/referrers.ts';

/** What refers to an object and is in the store: the object's labels name it. */
export async function* referrersIn(content: ContentStore, subject: Descriptor): AsyncGenerator<Descriptor> {
  const { labels } = await content.info(subject.digest);
  for (const [key, value] of Object.entries(labels)) {
    if (!key.startsWith(referrerLabel)) continue;
    const found = await ifFound(referrerIn(content, parseDigest(value)));
    if (found?.subject.digest === subject.digest) yield found.descriptor;
  }
}

async function referrerIn(content: ContentStore, digest: Digest): Promise<Referrer | undefined> {
  const { size } = await content.info(digest);
  const bytes = await readDocument(content, { digest, size });
  return referrerOf({ mediaType: detectMediaType(bytes), digest, size }, bytes);
}
