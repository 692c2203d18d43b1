import { randomUUID } from 'node:crypto';
import { openBytes } from '../content/bytes.ts';
import { pusherOf } from '../content/copy.ts';
import type { AbortableOptions, ContentStore, Labels } from '../content/store.ts';
import type { MadeDocument } from './archive-contents.ts';

/** How a document is stored. */
export interface StoreDocumentOptions extends AbortableOptions {
  readonly lease?: string | undefined;
  readonly labels?: Labels | undefined;
}

/** Stores a document that was made here. One that is there gets the labels that it lacks. */
export async function storeDocument(
  content: ContentStore,
  { descriptor, bytes }: MadeDocument,
  { lease, labels, signal }: StoreDocumentOptions,
): Promise<void> {
  // A ref of its own: it is small, and nobody has to be waited for.
  const ref = (): string => `document-${descriptor.digest}-${randomUUID()}`;
  await pusherOf(content, { lease, ref }).push(descriptor, openBytes(bytes), { labels, signal });
}
