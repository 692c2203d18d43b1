import { addLabels } from '../content/add-labels.ts';
import { commitOrFind, openWriter } from '../content/copy.ts';
import { interruptible } from '../content/interruptible.ts';
import type { AbortableOptions, ContentStore, Info, Labels } from '../content/store.ts';
import { DrayError, is } from '../errors.ts';
import type { Digest } from '../spec/digest.ts';

/** Options of {@link ingestStream}. */
export interface IngestStreamOptions extends AbortableOptions {
  readonly digest?: Digest | undefined;
  readonly size?: number | undefined;
  readonly labels?: Labels | undefined;
  /** The stream is the whole content again, and the ingest goes on where it stopped; otherwise it starts over. */
  readonly resume?: boolean | undefined;
}

/**
 * Takes a stream in as a blob. What was written before an interruption stays as an ingest under its ref.
 * @throws DrayError `failed-precondition` for the wrong digest or size, and when a stream that is to be resumed is shorter than
 * what is there; what the store throws. Content that is there already is no error.
 */
export async function ingestStream(
  store: ContentStore,
  ref: string,
  stream: AsyncIterable<Uint8Array>,
  { digest, size, labels, resume = false, signal }: IngestStreamOptions = {},
): Promise<Info> {
  const target = digest === undefined ? undefined : { digest, size };
  try {
    await using writer = await openWriter(store, { ref, target, size, signal, timeout: 0 });
    if (!resume) await writer.truncate(0);
    let skip = (await writer.status()).offset;
    for await (const chunk of interruptible(stream, signal)) {
      const rest = chunk.subarray(Math.min(skip, chunk.byteLength));
      skip -= chunk.byteLength - rest.byteLength;
      if (rest.byteLength > 0) await writer.write(rest, { signal });
    }
    if (skip > 0) throw shorter(ref, skip);
    return await commitOrFind(store, writer, { digest, size, labels, signal });
  } catch (error) {
    if (!is(error, 'already-exists') || digest === undefined) throw error;
    return await addLabels(store, digest, labels);
  }
}

function shorter(ref: string, by: number): DrayError {
  return new DrayError(
    'failed-precondition',
    `the content is ${by} bytes shorter than what ingest ${ref} has already`,
    {
      reason: 'size-mismatch',
      hint: 'it is other content: run it without --resume, or abort the ingest first',
    },
  );
}
