import { addLabels } from '../content/add-labels.ts';
import { packingOfBlob } from '../content/compression.ts';
import { type Fetcher, type FetchOptions, type OpenBlob, type Pusher, readBlob, refOf } from '../content/copy.ts';
import type { ContentStore, Info } from '../content/store.ts';
import { DrayError, is, withContext } from '../errors.ts';
import type { TransferEvent } from '../images/transfer.ts';
import { uncompressedLabel } from '../oci/recompress.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { type Digest, isDigest } from '../spec/digest.ts';
import { mediaTypes } from '../spec/media-types.ts';
import type { ReadLayer } from './convert.ts';
import { readLayer, type WatchedLayer, watchLayer } from './layer.ts';
import type { LayerContent } from './rules.ts';

/** On a layer of a schema 1 image: whether it is empty (containerd's). */
const emptyLabel = 'containerd.io/docker.schema1.empty-layer';

/** What an {@link Intake} works with. */
export interface IntakeOptions {
  readonly content: ContentStore;
  readonly fetcher: Fetcher;
  /** Writes to `content`. */
  readonly pusher: Pusher;
  /** The most bytes of a layer, packed or not. */
  readonly limit: number;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

/** Brings layers that only their digests are known of into a store, and looks into them on the way. */
export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Brings one layer in, unless it is there, and finds out what it is. It is fetched once, from where an earlier attempt
   * stopped; only then, and when it was there and nobody has noted what is in it, is it read from the store.
   * @throws DrayError `failed-precondition`, reason `digest-mismatch`; `resource-exhausted`, reason `bad-archive`, over the
   * limit; for what cannot be unpacked as {@link readLayer}; what the fetcher and the store throw.
   */
  async take(target: Descriptor, signal: AbortSignal): Promise<ReadLayer> {
    const { content, pusher, limit, onEvent } = this.#options;
    const meter = { offset: 0, resumed: 0 };
    const report = (state: TransferEvent['state']): void => onEvent?.({ target, state, ...meter });
    let watched: WatchedLayer | undefined;
    const open: OpenBlob = (offset = 0, hint) => {
      // Whoever looks at the layer as it passes lags behind.
      const stream = this.#fetch(target, { ...hint, transient: false, offset, signal }, (at) => {
        meter.offset = at;
        report('active');
      });
      watched = offset === 0 ? watchLayer(stream, { limit, signal }) : undefined;
      return watched?.stream ?? stream;
    };
    const onResume = (offset: number): void => void Object.assign(meter, { offset, resumed: offset });
    try {
      const outcome = await pusher.push(target, open, { signal, onResume, onLocked: () => report('locked') });
      const info = await content.info(target.digest);
      const passed = outcome === 'pushed' ? await watched?.content : undefined;
      const found = passed ?? (await this.#look(info, signal));
      await addLabels(content, info.digest, { [uncompressedLabel]: found.diffId, [emptyLabel]: String(found.isBlank) });
      const { size } = info;
      onEvent?.({ target: { ...target, size }, state: outcome, offset: size, resumed: meter.resumed });
      return { ...found, size };
    } catch (error) {
      report('failed');
      // Nobody is going to go on with it.
      if (is(error, 'resource-exhausted') && error.reason === 'bad-archive')
        await content.abort(refOf(target)).catch(() => {});
      throw error;
    }
  }

  async *#fetch(target: Descriptor, options: FetchOptions, move: (offset: number) => void): AsyncGenerator<Uint8Array> {
    const { fetcher, limit } = this.#options;
    let { offset = 0 } = options;
    move(offset);
    try {
      for await (const chunk of await fetcher.fetch(target, options)) {
        offset += chunk.byteLength;
        if (offset > limit) throw tooLarge(target, limit);
        yield chunk;
        move(offset);
      }
    } catch (error) {
      throw fromSource(error, options.signal);
    }
  }

  async #look(info: Info, signal: AbortSignal): Promise<LayerContent> {
    const { content, limit } = this.#options;
    return (
      (await this.#noted(info)) ?? (await readLayer(readBlob(content, asLayer(info.digest), { signal }), { limit }))
    );
  }

  /** What the labels of a layer say, when they say it. */
  async #noted({ digest, labels }: Info): Promise<LayerContent | undefined> {
    const { [uncompressedLabel]: diffId = '', [emptyLabel]: empty = '' } = labels;
    if (!isDigest(diffId) || (empty !== 'true' && empty !== 'false')) return undefined;
    const packing = await packingOfBlob(this.#options.content, { digest });
    const isBlank = empty === 'true';
    if (packing === 'none') return diffId === digest ? { diffId, packing, isBlank } : undefined;
    return packing === 'gzip' || packing === 'zstd' ? { diffId, packing, isBlank } : undefined;
  }
}

/** A layer that only the digest is known of; its size is not. */
export function asLayer(digest: Digest): Descriptor {
  return { mediaType: mediaTypes.dockerLayerGzip, digest, size: 0 };
}

function tooLarge({ digest }: Descriptor, limit: number): DrayError {
  return new DrayError('resource-exhausted', `layer ${digest} has more than ${limit} bytes`, {
    reason: 'bad-archive',
    side: 'source',
    hint: 'schema 1 says nothing of the sizes of layers; raise the limit if this one is in order',
  });
}

/** A failure of the side that is read; giving up stays what it is. */
export function fromSource(error: unknown, signal: AbortSignal | undefined): unknown {
  return signal?.aborted === true ? signal.reason : withContext(error, { side: 'source' });
}
