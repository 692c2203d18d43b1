import { because, ifFound, is, unless } from '../errors.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { algorithmOf, type Digest, emptyDigest } from '../spec/digest.ts';
import { addLabels } from './add-labels.ts';
import type {
  AbortableOptions,
  CommitOptions,
  ContentStore,
  Info,
  Ingester,
  IngestManager,
  Labels,
  Manager,
  Provider,
  RangeOptions,
  Writer,
  WriterOptions,
} from './store.ts';
import { whenFree } from './when-free.ts';

/** Where one blob's bytes come from: a registry's repository, a store, an archive. */
export interface Fetcher {
  /**
   * The bytes of `target` from `offset` on. They may be wrong: whoever stores them verifies.
   * @throws DrayError `not-found`, and whatever the medium has.
   */
  fetch(target: Descriptor, options?: FetchOptions): Promise<AsyncIterable<Uint8Array>>;
}

/** Options of {@link Fetcher.fetch}. */
export interface FetchOptions extends AbortableOptions {
  readonly offset?: number | undefined;
  /** The bytes that came before had the wrong digest: they are to come from elsewhere, or at least from no cache. */
  readonly distrust?: boolean | undefined;
  /** A chunk may be good only until the next one is asked for: its memory is used again. Faster, for whoever keeps none. */
  readonly transient?: boolean | undefined;
}

/** What became of a blob that was pushed. */
export type PushOutcome = 'pushed' | 'mounted' | 'exists';

/** Opens the bytes of a blob from an offset, as often as it takes, so that a push can be retried and resumed. */
export type OpenBlob = (offset?: number, options?: OpenOptions) => AsyncIterable<Uint8Array>;

/** Options of {@link OpenBlob}: those of {@link FetchOptions} that whoever writes a blob knows better than whoever opens it. */
export type OpenOptions = Pick<FetchOptions, 'distrust' | 'transient'>;

/** Where one blob goes: a registry's repository, a store, an archive. */
export interface Pusher {
  /**
   * Makes sure that the far side has `target`. It is verified on the way, by the far side or here.
   * @throws DrayError `failed-precondition` or `data-loss` when the bytes are not the target's, and whatever the medium has.
   */
  push(target: Descriptor, open: OpenBlob, options?: PushOptions): Promise<PushOutcome>;
  /**
   * Whether the far side has the document and everything below it, so that nothing below needs to be looked at. Absent
   * where one does not imply the other.
   */
  complete?(target: Descriptor, options?: AbortableOptions): Promise<boolean>;
}

/** Options of {@link Pusher.push}. */
export interface PushOptions extends AbortableOptions {
  /** Labels for the blob, where the far side has labels. */
  readonly labels?: Labels | undefined;
  /** Bytes that the far side already had of it; called once, before the first new byte. */
  readonly onResume?: ((offset: number) => void) | undefined;
  /** Called once when somebody else is writing the blob there, and is waited for. */
  readonly onLocked?: (() => void) | undefined;
}

/** A provider as a source of transfers. */
export function fetcherOf(provider: Provider): Fetcher {
  return {
    async fetch(target, { offset, transient, signal } = {}) {
      return readBlob(provider, target, { offset, transient, signal });
    },
  };
}

/** How a content store takes part in a transfer as its target. */
export interface StorePusherOptions {
  /** Holds what is pushed until somebody names it. */
  readonly lease?: string | undefined;
  /** The ref of a blob's ingest; {@link refOf} if not said. */
  readonly ref?: ((target: Descriptor) => string) | undefined;
  /** What labels to set where the blob is there already; those that are given if not said. */
  readonly relabel?: ((known: Labels, given: Labels) => Labels) | undefined;
}

/** A content store as a target of transfers. */
export function pusherOf(
  store: Ingester & IngestManager & Pick<ContentStore, 'info' | 'update'>,
  { lease, ref = refOf, relabel }: StorePusherOptions = {},
): Pusher {
  return {
    async push(target, open, options = {}) {
      const { labels, signal } = options;
      const outcome = await writeBlob(store, ref(target), target, open, { ...options, lease });
      if (outcome === 'pushed' || labels === undefined || Object.keys(labels).length === 0) return outcome;
      const wanted = relabel === undefined ? labels : (known: Labels) => relabel(known, labels);
      await addLabels(store, target.digest, wanted, { signal });
      return outcome;
    },
  };
}

const kindsOfRef: readonly [RegExp, string][] = [
  [/manifest\.v\d|image\.manifest|artifact\.manifest/, 'manifest'],
  [/manifest\.list|image\.index/, 'index'],
  [/image\.layer|rootfs/, 'layer'],
  [/image\.config|container\.image/, 'config'],
];

/**
 * The ref of a descriptor's ingest, `layer-sha256:…`. It is the same in every process, so that two pulls of one layer meet
 * and a later one goes on where an earlier one stopped (as containerd names it).
 */
export function refOf(target: Descriptor): string {
  const kind = kindsOfRef.find(([pattern]) => pattern.test(target.mediaType))?.[1] ?? 'blob';
  return `${kind}-${target.digest}`;
}

/** Options of {@link writeBlob}. */
export interface WriteBlobOptions extends PushOptions {
  readonly lease?: string | undefined;
}

/**
 * Brings one blob into a store: waits for another writer of the same ref, goes on from the bytes that are there, verifies,
 * commits. A size of 0 is not known, unless the digest is that of no bytes. Bytes that turn out wrong are not kept; they are
 * asked for once more from the beginning, from elsewhere if there is an elsewhere.
 * @throws DrayError `failed-precondition` with reason `digest-mismatch` or `size-mismatch`, and what `open` and the store throw.
 */
export async function writeBlob(
  store: Ingester & IngestManager,
  ref: string,
  target: Descriptor,
  open: OpenBlob,
  options: WriteBlobOptions = {},
): Promise<'pushed' | 'exists'> {
  const { lease, signal, onLocked } = options;
  return await onceMoreIfWrong(async (distrust) => {
    const writer = await unless('already-exists', openWriter(store, { ref, target, lease, signal, onLocked }));
    if (writer === undefined) return 'exists';
    const again: OpenBlob = (offset) => open(offset, { distrust, transient: true });
    try {
      return await copyInto(writer, target, again, distrust ? { ...options, onResume: undefined } : options);
    } catch (error) {
      if (areWrongBytes(error)) await ifFound(store.abort(ref));
      throw error;
    }
  });
}

/**
 * Does something with the bytes of a source, and once more with those of another one, if there is another, when they turn out
 * wrong: they may have come from a cache, or from one host of several. `distrust` is what {@link FetchOptions} means by it.
 * @throws what the last attempt throws.
 */
export async function onceMoreIfWrong<T>(attempt: (distrust: boolean) => Promise<T>): Promise<T> {
  try {
    return await attempt(false);
  } catch (error) {
    if (!areWrongBytes(error)) throw error;
    return await attempt(true);
  }
}

function areWrongBytes(error: unknown): boolean {
  return because(error, 'digest-mismatch') || because(error, 'size-mismatch');
}

async function copyInto(
  writer: Writer,
  target: Descriptor,
  open: OpenBlob,
  options: PushOptions,
): Promise<'pushed' | 'exists'> {
  await using _ = writer;
  try {
    const size = sizeIfKnown(target);
    const most = size ?? Number.POSITIVE_INFINITY;
    const kept = (await writer.status()).offset;
    const offset = kept > most ? 0 : kept;
    if (kept > most) await writer.truncate(0);
    if (offset > 0) options.onResume?.(offset);
    const isWhole = size === undefined ? (await writer.digest()) === target.digest : offset === size;
    if (!isWhole) await append(writer, open(offset), most - offset, options);
    await writer.commit({ size, digest: target.digest, labels: options.labels, signal: options.signal });
    return 'pushed';
  } catch (error) {
    if (is(error, 'already-exists')) return 'exists';
    throw error;
  }
}

// Some documents name blobs without their sizes; then it is 0, as that of a blob of no bytes.
function sizeIfKnown({ digest, size }: Descriptor): number | undefined {
  return size > 0 || digest === emptyDigest(algorithmOf(digest)) ? size : undefined;
}

async function append(
  writer: Writer,
  stream: AsyncIterable<Uint8Array>,
  most: number,
  options: PushOptions,
): Promise<void> {
  let size = 0;
  for await (const chunk of stream) {
    await writer.write(chunk, options);
    size += chunk.byteLength;
    // The commit would notice as well, but only after an endless body has filled the disk.
    if (size > most) break;
  }
}

/** Options of {@link openWriter}. */
export interface OpenWriterOptions extends WriterOptions {
  /** The longest to wait for another writer, in milliseconds; without end if not said. */
  readonly timeout?: number | undefined;
  /** Called once when there is another writer to wait for. */
  readonly onLocked?: (() => void) | undefined;
}

/**
 * Opens a writer, waiting while another one has the ref. Only a lock is waited for, not a store that cannot be reached.
 * @throws DrayError what {@link Ingester.writer} throws; the lock's error when the time is over.
 */
export async function openWriter(
  store: Ingester,
  { timeout, onLocked, ...options }: OpenWriterOptions,
): Promise<Writer> {
  return await whenFree(() => store.writer(options), {
    isTaken: (error) => because(error, 'locked'),
    longestPause: 250,
    timeout,
    onTaken: onLocked,
    signal: options.signal,
  });
}

/**
 * Streams a blob out of a provider, verified unless it is a part.
 * @throws DrayError `not-found`, `data-loss`; `out-of-range`.
 */
export async function* readBlob(
  provider: Provider,
  target: Descriptor,
  options: RangeOptions = {},
): AsyncGenerator<Uint8Array> {
  await using reader = await provider.reader(target, { signal: options.signal });
  yield* reader.stream(options);
}

/**
 * Ingests bytes under a ref without knowing what they are; the digest comes out at the end. What there was under the ref is
 * dropped. Content that is there already is no error, and gets the labels and the lease as well.
 */
export async function ingest(
  store: Ingester & Pick<Manager, 'info' | 'update'>,
  options: WriterOptions & {
    readonly labels?: Labels | undefined;
    readonly expected?: { size?: number; digest?: Digest };
  },
  stream: AsyncIterable<Uint8Array>,
): Promise<Info> {
  const { target, expected, labels, signal } = options;
  try {
    await using writer = await openWriter(store, options);
    // Of an attempt that was interrupted, or of another namespace's blob.
    if ((await writer.status()).offset > 0) await writer.truncate(0);
    for await (const chunk of stream) await writer.write(chunk, options);
    return await commitOrFind(store, writer, { ...expected, labels, signal });
  } catch (error) {
    if (!is(error, 'already-exists') || target === undefined) throw error;
    return await addLabels(store, target.digest, labels);
  }
}

/** Commits; a blob that is there already gets the labels instead. */
export async function commitOrFind(
  store: Pick<Manager, 'info' | 'update'>,
  writer: Writer,
  options: CommitOptions,
): Promise<Info> {
  const digest = options.digest ?? (await writer.digest());
  try {
    return await writer.commit(options);
  } catch (error) {
    if (!is(error, 'already-exists')) throw error;
    return await addLabels(store, digest, options.labels);
  }
}
