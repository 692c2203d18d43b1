import pLimit from 'p-limit';
import { eitherSignal } from '../content/abort.ts';
import { checkCount } from '../content/count.ts';
import type { Provider } from '../content/store.ts';
import { defaultConcurrency } from '../images/handlers.ts';
import type { TransferEvent } from '../images/transfer.ts';
import { type ExportImage, indexEntries } from './export-index.ts';
import type { Sharing } from './layout-files.ts';
import { LayoutWriter, type LayoutWriterOptions } from './layout-writer.ts';
import { type PlanOptions, planExport } from './plan.ts';

/** Options of {@link exportLayout}. */
export interface ExportLayoutOptions extends PlanOptions, LayoutWriterOptions {
  /**
   * Puts blobs that are files on the same disk at a second place instead of copying them, where the file system can: `hard`
   * as the same file, so that whoever writes to one changes the other, `reflink` as a clone. Copied if not said.
   */
  readonly sharing?: Sharing | undefined;
  /** Blobs that are written at once. */
  readonly concurrency?: number | undefined;
  /** Called for each object at its end. */
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

/**
 * Writes images into an image layout, a new one or one that is there; what it lists stays, except for the names that are
 * given anew. Every blob is verified; the images are listed when everything has arrived.
 * @throws DrayError as `exportArchive` does; `invalid-argument`, reason `bad-archive` or `bad-document`, when what is there is
 * no layout; what the file system has, with the path.
 */
export async function exportLayout(
  source: Provider,
  images: readonly ExportImage[],
  directory: string,
  options: ExportLayoutOptions = {},
): Promise<void> {
  const roots = images.map(({ target }) => target);
  const plan = await planExport(source, roots, options);
  const writer = new LayoutWriter(directory, options);
  await writer.begin();
  const limit = pLimit(checkCount('the concurrency', options.concurrency ?? defaultConcurrency));
  const stop = new AbortController();
  const signal = eitherSignal(options.signal, stop.signal);
  const writes = [...plan.objects.values()].map((target) =>
    limit(async () => {
      signal.throwIfAborted();
      const state = await writer.putFrom(source, target, options.sharing, { signal });
      options.onEvent?.({ target, state, offset: target.size, resumed: 0 });
    }),
  );
  try {
    await Promise.all(writes);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(writes);
    throw error;
  }
  await writer.list(indexEntries(plan, images), options);
}
