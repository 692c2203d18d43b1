import {
  type Fetcher,
  type FetchOptions,
  fetcherOf,
  type OpenBlob,
  type Pusher,
  type PushOptions,
  refOf,
  writeBlob,
} from '../content/copy.ts';
import type { Ingester, IngestManager, Labels, Provider } from '../content/store.ts';
import type { Handler } from '../images/handlers.ts';
import { type Descriptor, inlineData } from '../spec/descriptor.ts';

/** Handlers that move what they visit; together with a children handler they are a pull or a push. */

/** Options of {@link fetchHandler}. */
export interface FetchHandlerOptions {
  /** Holds what is fetched until somebody names it. */
  readonly lease?: string | undefined;
  /** Labels for what is fetched. */
  readonly labels?: ((target: Descriptor) => Labels) | undefined;
  /** The ref of an object's ingest; that of `refOf` if not said. */
  readonly ref?: ((target: Descriptor) => string) | undefined;
}

/**
 * A handler that brings each object into a store, verified, going on from bytes that are there. It has no children itself.
 * Its errors are those of `writeBlob` and of the fetcher.
 */
export function fetchHandler(
  store: Ingester & IngestManager,
  fetcher: Fetcher,
  { lease, labels, ref = refOf }: FetchHandlerOptions = {},
): Handler {
  return async (target, { signal }) => {
    const open: OpenBlob = (offset, hint) => opened(fetcher, target, { ...hint, offset, signal });
    await writeBlob(store, ref(target), target, open, { lease, labels: labels?.(target), signal });
    return [];
  };
}

/** Options of {@link pushHandler}. */
export interface PushHandlerOptions {
  /** Labels for what is pushed, where the far side has labels. */
  readonly labels?: ((target: Descriptor) => Labels) | undefined;
  /** Told of each object that is over there. */
  readonly onPushed?: ((target: Descriptor, outcome: Awaited<ReturnType<Pusher['push']>>) => void) | undefined;
}

/**
 * A handler that sends each object to where the pusher writes. Objects have to be visited children first: registries refuse
 * a manifest before what it names. It has no children itself. Its errors are those of the pusher.
 */
export function pushHandler(
  pusher: Pusher,
  provider: Provider,
  { labels, onPushed }: PushHandlerOptions = {},
): Handler {
  const source = fetcherOf(provider);
  return async (target, { signal }) => {
    const open: OpenBlob = (offset, hint) => opened(source, target, { ...hint, offset, signal });
    const options: PushOptions = { labels: labels?.(target), signal };
    onPushed?.(target, await pusher.push(target, open, options));
    return [];
  };
}

async function* opened(fetcher: Fetcher, target: Descriptor, options: FetchOptions): AsyncGenerator<Uint8Array> {
  const inline = inlineData(target);
  if (inline === undefined) yield* await fetcher.fetch(target, options);
  else yield inline.subarray(options.offset);
}
