import { randomUUID } from 'node:crypto';
import { ingest } from '../content/copy.ts';
import type { AbortableOptions, ContentStore, Labels } from '../content/store.ts';
import { is } from '../errors.ts';
import { addLabels } from './add-labels.ts';
import { streamOf } from './byte-source.ts';
import type { MadeDocument } from './contents.ts';

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
  const { digest, size } = descriptor;
  try {
    await ingest(
      content,
      { ref, target: descriptor, lease, signal, labels, expected: { digest, size } },
      streamOf(bytes),
    );
  } catch (error) {
    if (!is(error, 'already-exists')) throw error;
    await addLabels(content, digest, labels);
  }
}
