import { randomUUID } from 'node:crypto';
import { addLabels } from '../content/add-labels.ts';
import { writeBlob } from '../content/copy.ts';
import type { AbortableOptions, ContentStore, Labels } from '../content/store.ts';
import type { MadeDocument } from './archive-contents.ts';
import { streamOf } from './byte-source.ts';

/** How a document is stored. */
export interface StoreDocumentOptions extends AbortableOptions {
  readonly lease?: string | undefined;
  readonly labels?: Labels | undefined;
}

/** Stores a document that was made here. One that is there gets the labels that it lacks. */
export async function storeDocument(
  content: ContentStore,
  { descriptor, bytes }: MadeDocument,
  { lease, labels = {}, signal }: StoreDocumentOptions,
): Promise<void> {
  // A ref of its own: it is small, and nobody has to be waited for.
  const ref = `document-${descriptor.digest}-${randomUUID()}`;
  const open = (offset = 0): AsyncIterable<Uint8Array> => streamOf(bytes.subarray(offset));
  const outcome = await writeBlob(content, ref, descriptor, open, { lease, labels, signal });
  if (outcome === 'exists') await addLabels(content, descriptor.digest, labels);
}
