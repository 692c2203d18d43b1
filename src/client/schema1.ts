import { fetcherOf } from '../content/copy.ts';
import type { AbortableOptions } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import type { TransferEvent, TransferSummary } from '../images/transfer.ts';
import type { Conversion, ConverterOptions } from '../schema1/converter.ts';
import type { Services } from '../services/services.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Source, Target } from './place.ts';

/** How an image of Docker schema 1 is converted. */
export interface Schema1Options extends Pick<ConverterOptions, 'mode' | 'family' | 'signatures' | 'layerLimit'> {}

/** On an image that was converted: the digest of what it was converted from (containerd's). */
export const convertedLabel = 'io.containerd.image/converted-docker-schema1';

/** What moving an image did. */
export interface Moved {
  /** The image as it is at the target. */
  readonly root: Descriptor;
  readonly summary: TransferSummary;
  /** The documents that were moved or were there already, the root among them. */
  readonly documents: readonly Descriptor[];
}

/** The options for a converter; undefined when nobody asked for a conversion. */
export function schema1Options(asked: boolean | Schema1Options | undefined): Schema1Options | undefined {
  if (asked === true) return {};
  return asked === false ? undefined : asked;
}

/** The error for an image that would have to be converted, and nobody asked for it. */
export function unconverted(name: string): DrayError {
  return new DrayError('not-implemented', `${name} is in the format of Docker schema 1`, {
    side: 'source',
    hint: 'convert it on its way into the store, with --convert-schema1',
  });
}

/** Options of {@link moveConverted}. */
export interface MoveConvertedOptions extends AbortableOptions {
  readonly convertSchema1?: boolean | Schema1Options | undefined;
  /** Blobs that travel at once. */
  readonly concurrency?: number | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

/**
 * Brings a schema 1 image over, converted.
 * @throws DrayError `not-implemented` for a place that cannot keep layers before it is known what the image is.
 */
export async function moveConverted(
  source: Source,
  target: Target,
  root: Descriptor,
  { convertSchema1, concurrency, onEvent, signal }: MoveConvertedOptions,
): Promise<Moved> {
  if (target.convertSchema1 === undefined) throw intoStoreOnly(source.name);
  const tally = new Tally();
  const converted: Conversion = await target.convertSchema1(source, root, {
    ...schema1Options(convertSchema1),
    concurrency,
    onEvent(event) {
      tally.take(event);
      onEvent?.(event);
    },
    signal,
  });
  const { descriptor } = converted.manifest;
  return { root: descriptor, summary: tally.summary, documents: [descriptor] };
}

/** Converts an image whose content is in the store; returns the new one, which has no name. */
export async function convertStored(
  { content }: Services,
  target: Descriptor,
  options: ConverterOptions & AbortableOptions,
): Promise<Descriptor> {
  const { convertSchema1 } = await import('../schema1/converter.ts');
  return (await convertSchema1(content, fetcherOf(content), target, options)).manifest.descriptor;
}

function intoStoreOnly(name: string): DrayError {
  return new DrayError(
    'not-implemented',
    `${name} is in the format of Docker schema 1, which is converted in a store`,
    {
      side: 'target',
      hint: 'bring it into the store first: dray pull --convert-schema1, then dray push, or dray copy store:REF',
    },
  );
}

/** Adds up what events say. */
class Tally {
  readonly #sum = { pushed: 0, mounted: 0, existed: 0, bytesMoved: 0, bytesSaved: 0 };

  take({ state, offset, resumed }: TransferEvent): void {
    if (state === 'exists') {
      this.#sum.existed += 1;
      this.#sum.bytesSaved += offset;
    } else if (state === 'pushed') {
      this.#sum.pushed += 1;
      this.#sum.bytesMoved += offset - resumed;
      this.#sum.bytesSaved += resumed;
    }
  }

  get summary(): TransferSummary {
    return this.#sum;
  }
}
