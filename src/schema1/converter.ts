import { type Fetcher, type Pusher, pusherOf } from '../content/copy.ts';
import { collectDocument } from '../content/documents.ts';
import type { AbortableOptions, ContentStore } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import { type DispatchOptions, dispatch, type Handler } from '../images/handlers.ts';
import { childLabels } from '../images/labels.ts';
import type { TransferEvent } from '../images/transfer.ts';
import { storeDocument } from '../oci/store-document.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Digest } from '../spec/digest.ts';
import { isSchema1 } from '../spec/media-types.ts';
import {
  type ConversionOptions,
  type ConvertedImage,
  convertDocument,
  layersToRead,
  type ReadLayer,
} from './convert.ts';
import { asLayer, fromSource, Intake } from './intake.ts';
import { parseSchema1, type Schema1Manifest } from './manifest.ts';
import { checkSignatures } from './signature.ts';

/** Options of a {@link Schema1Converter}. */
export interface ConverterOptions extends ConversionOptions {
  /**
   * `check`, if not said: signatures that are there have to be right. `ignore`: only the digest counts, also of a manifest that
   * somebody edited after it was signed. One without signatures passes either way.
   */
  readonly signatures?: 'check' | 'ignore' | undefined;
  /** Holds what is stored until somebody names it. */
  readonly lease?: string | undefined;
  /** Writes layers to the store in place of the converter. */
  readonly pusher?: Pusher | undefined;
  /** The most bytes of a layer, packed or not, since the manifest names no sizes; 32 GiB if not said. */
  readonly layerLimit?: number | undefined;
  /** Told of each layer. Its size is 0 until it is there. */
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

/** An image that was converted and stored. */
export interface Conversion extends ConvertedImage {
  /** What it was converted from. That itself is not stored. */
  readonly source: Schema1Manifest;
}

const defaultLayerLimit = 32 * 1024 ** 3;

/**
 * Converts one schema 1 image on its way into a store: {@link handler} stands in for those that fetch and list children, and when
 * it has visited everything, {@link convert} makes config and manifest.
 */
export class Schema1Converter {
  readonly #content: ContentStore;
  readonly #fetcher: Fetcher;
  readonly #options: ConverterOptions;
  readonly #intake: Intake;
  readonly #layers = new Map<Digest, ReadLayer>();
  #source: Schema1Manifest | undefined;

  /** Neither the store nor the fetcher is closed. */
  constructor(content: ContentStore, fetcher: Fetcher, options: ConverterOptions = {}) {
    const { lease, pusher = pusherOf(content, { lease }), layerLimit: limit = defaultLayerLimit, onEvent } = options;
    this.#content = content;
    this.#fetcher = fetcher;
    this.#options = options;
    this.#intake = new Intake({ content, fetcher, pusher, limit, onEvent });
  }

  /**
   * Reads the manifest, whose children are the layers that are needed, and brings those in.
   * @throws DrayError `data-loss`, reason `digest-mismatch`, for a manifest of another digest, reason `bad-document` for a wrong
   * signature; `invalid-argument`, reason `bad-document` or `bad-archive`; `failed-precondition`, reason `digest-mismatch`, for a
   * layer; `resource-exhausted`, reason `bad-archive`, for one over the limit; what fetcher and store throw.
   */
  readonly handler: Handler = async (target, { signal }) => {
    if (isSchema1(target.mediaType)) return await this.#read(target, signal);
    this.#layers.set(target.digest, await this.#intake.take(target, signal));
    return [];
  };

  async #read(target: Descriptor, signal: AbortSignal): Promise<readonly Descriptor[]> {
    const manifest = parseSchema1(await this.#bytes(target, signal));
    if (this.#options.signatures !== 'ignore') checkSignatures(manifest);
    const needed = layersToRead(manifest, this.#options);
    // What cannot be converted is told before anything is fetched.
    convertDocument(manifest, new Map(needed.map((digest) => [digest, unread(digest)])), this.#options);
    this.#source = manifest;
    const layers = needed.map(asLayer);
    for (const layer of layers) this.#options.onEvent?.({ target: layer, state: 'waiting', offset: 0, resumed: 0 });
    return layers;
  }

  async #bytes(target: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
    try {
      // A registry that signs it anew may send another number of bytes than it said.
      const stream = await this.#fetcher.fetch({ ...target, size: 0 }, { signal });
      return await collectDocument(stream, target, { signal });
    } catch (error) {
      throw fromSource(error, signal);
    }
  }

  /**
   * Makes config and manifest and stores them, the manifest with labels that keep the rest. It gets no name.
   * @throws DrayError `failed-precondition` before {@link handler} has visited manifest and layers; `invalid-argument`, reason
   * `bad-document`, for a history that cannot be converted; what the store throws.
   */
  async convert({ signal }: AbortableOptions = {}): Promise<Conversion> {
    const source = this.#source;
    if (source === undefined) throw new DrayError('failed-precondition', 'there is no manifest yet to be converted');
    const image = convertDocument(source, this.#layers, this.#options);
    const { config, manifest, layers } = image;
    const options = { lease: this.#options.lease, signal };
    await storeDocument(this.#content, config, options);
    await storeDocument(this.#content, manifest, { ...options, labels: childLabels([config.descriptor, ...layers]) });
    return { ...image, source };
  }
}

/**
 * Brings a schema 1 image into a store, converted: each layer once, several at a time.
 * @throws DrayError as {@link Schema1Converter} does; nothing is named in any case.
 */
export async function convertSchema1(
  content: ContentStore,
  fetcher: Fetcher,
  target: Descriptor,
  options: ConverterOptions & DispatchOptions = {},
): Promise<Conversion> {
  const converter = new Schema1Converter(content, fetcher, options);
  await dispatch(converter.handler, [target], options);
  return await converter.convert(options);
}

function unread(digest: Digest): ReadLayer {
  return { diffId: digest, packing: 'gzip', isBlank: false, size: 0 };
}
