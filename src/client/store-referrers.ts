import { readDocument } from '../content/documents.ts';
import type { ContentStore } from '../content/store.ts';
import { is } from '../errors.ts';
import { referrerLabel } from '../images/labels.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { type Digest, parseDigest } from '../spec/digest.ts';
import { detectMediaType } from '../spec/documents.ts';

/** What refers to an object and is in the store: the object's labels name it. */
export async function* referrersIn(content: ContentStore, subject: Descriptor): AsyncGenerator<Descriptor> {
  const { labels } = await content.info(subject.digest);
  for (const [key, value] of Object.entries(labels)) {
    const found = key.startsWith(referrerLabel) ? await describedIn(content, parseDigest(value)) : undefined;
    if (found !== undefined) yield found;
  }
}

async function describedIn(content: ContentStore, digest: Digest): Promise<Descriptor | undefined> {
  try {
    const { size } = await content.info(digest);
    return { mediaType: detectMediaType(await readDocument(content, { digest, size })), digest, size };
  } catch (error) {
    if (is(error, 'not-found')) return undefined;
    throw error;
  }
}
