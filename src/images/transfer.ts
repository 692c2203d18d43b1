import pLimit, { type LimitFunction } from 'p-limit';
import { eitherSignal } from '../content/abort.ts';
import { openBytes } from '../content/bytes.ts';
import {
  type Fetcher,
  type FetchOptions,
  type OpenBlob,
  onceMoreIfWrong,
  type Pusher,
  type PushOptions,
  type PushOutcome,
} from '../content/copy.ts';
import { checkCount } from '../content/count.ts';
import { collectDocument } from '../content/documents.ts';
import type { AbortableOptions, Labels } from '../content/store.ts';
import { because, DrayError, toDrayError, withContext } from '../errors.ts';
import { bare, type Descriptor, inlineData } from '../spec/descriptor.ts';
import { childrenOf } from '../spec/documents.ts';
import { hasChildren, type SelectChildren } from './children.ts';
import { defaultConcurrency, dispatch, type Handler, keyOf, skipDescriptor } from './handlers.ts';

/** What happens to one object of a transfer. Offsets and sizes are bytes. */
export interface TransferEvent {
  readonly target: Descriptor;
  /**
   * `waiting` when it is known, `locked` while somebody else brings it there, `active` from its first byte on, one of the others
   * at the end. `exists` and `mounted` cost no transfer; `skipped` was left out because what is above it is there.
   */
  readonly state: 'waiting' | 'locked' | 'active' | 'pushed' | 'exists' | 'mounted' | 'skipped' | 'failed';
  /** Bytes that are over there, those of an earlier attempt included. */
  readonly offset: number;
  /** Bytes of `offset` that an earlier attempt left. */
  readonly resumed: number;
}

/** Options of {@link transfer}. */
export interface TransferOptions extends AbortableOptions {
  /** Blobs that travel at once. Documents do not wait for them. */
  readonly concurrency?: number | undefined;
  /** Given all children of a document, which of them travel; all if not said. */
  readonly select?: SelectChildren | undefined;
  /** Called for each object before anything else; throws {@link skipDescriptor} for what is not to travel. */
  readonly before?: Handler | undefined;
  /** Labels for a document on the far side, from all its children. */
  readonly labels?: ((target: Descriptor, children: readonly Descriptor[]) => Labels) | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
  /** The most bytes a document may have. */
  readonly documentLimit?: number | undefined;
}

/** What a transfer did, in objects and bytes. */
export interface TransferSummary {
  readonly pushed: number;
  readonly mounted: number;
  readonly existed: number;
  /** Bytes that travelled. */
  readonly bytesMoved: number;
  /** Bytes that did not have to: they existed, were mounted or were left by an earlier attempt. */
  readonly bytesSaved: number;
}

/**
 * Moves a graph of objects from one place to another: pull, push, copy and export are this and nothing else. Documents are
 * read from the source and verified, blobs travel while more documents are read, and each document follows when all below
 * it is there; so a document over there says that what it names is there too, and the roots come last.
 * @throws DrayError what source and target throw, with the side and the descriptor in the context; the first failure ends the
 * transfer, and what has arrived stays.
 */
export async function transfer(
  source: Fetcher,
  target: Pusher,
  roots: readonly Descriptor[],
  options: TransferOptions = {},
): Promise<TransferSummary> {
  return new Transfer(source, target, options).run(roots);
}

interface Document {
  readonly target: Descriptor;
  /** Absent when too much would be held; then it is read again. */
  readonly bytes: Uint8Array | undefined;
  readonly children: readonly Descriptor[];
  readonly selected: readonly string[];
}

/** How many documents are read or written at once. */
const documentConcurrency = 16;

/** Blobs up to this size are as quick as documents; in bytes. */
const smallSize = 64 * 1024;

/** Bytes of documents that are held between reading and writing them. */
const heldLimit = 32 * 1024 * 1024;

class Transfer {
  readonly #source: Fetcher;
  readonly #target: Pusher;
  readonly #options: TransferOptions;
  readonly #blobLimit: LimitFunction;
  readonly #smallLimit: LimitFunction;
  readonly #documentLimit: LimitFunction = pLimit(documentConcurrency);
  readonly #documents = new Map<string, Document>();
  readonly #summary = { pushed: 0, mounted: 0, existed: 0, bytesMoved: 0, bytesSaved: 0 };
  #held = 0;

  constructor(source: Fetcher, target: Pusher, options: TransferOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#blobLimit = pLimit(checkCount('the concurrency', options.concurrency ?? defaultConcurrency));
    // Of what is small, more is needed to keep a connection busy.
    this.#smallLimit = options.concurrency === undefined ? pLimit(documentConcurrency) : this.#blobLimit;
  }

  async run(roots: readonly Descriptor[]): Promise<TransferSummary> {
    const { signal } = this.#options;
    // Documents and blobs have limits of their own, so that a document never waits for a blob.
    const concurrency = Number.POSITIVE_INFINITY;
    await dispatch((target, context) => this.#visit(target, context.signal), roots, { signal, concurrency });
    await this.#pushDocuments(roots);
    return this.#summary;
  }

  async #visit(target: Descriptor, signal: AbortSignal): Promise<readonly Descriptor[]> {
    await this.#ask(target, signal);
    this.#report(target, 'waiting', 0, 0);
    if (!hasChildren(target.mediaType)) {
      const open: OpenBlob = (offset, hint) => this.#open(target, { ...hint, offset, signal });
      const limit = target.size > smallSize ? this.#blobLimit : this.#smallLimit;
      await limit(() => this.#push(target, open, { signal }));
      return [];
    }
    return this.#documentLimit(() => this.#explore(target, signal));
  }

  async #ask(target: Descriptor, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.before?.(target, { signal });
    } catch (error) {
      if (error === skipDescriptor) this.#report(target, 'skipped', 0, 0);
      throw error;
    }
  }

  async #explore(target: Descriptor, signal: AbortSignal): Promise<readonly Descriptor[]> {
    if (await this.#isComplete(target, signal)) {
      this.#finish(target, 'exists', 0, 0);
      return [];
    }
    const bytes = await this.#read(target, signal);
    const children = childrenOf(target.mediaType, bytes);
    const selected = this.#options.select?.(target, children) ?? children;
    this.#held += bytes.byteLength;
    const kept = this.#held <= heldLimit ? bytes : undefined;
    this.#documents.set(keyOf(target), { target, bytes: kept, children, selected: selected.map(keyOf) });
    return selected;
  }

  async #isComplete(target: Descriptor, signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#target.complete?.(target, { signal })) ?? false;
    } catch (error) {
      throw sided(error, 'target', signal);
    }
  }

  async #read(target: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
    const limit = this.#options.documentLimit;
    try {
      return await onceMoreIfWrong((distrust) =>
        collectDocument(this.#open(target, { distrust, signal }), target, { limit, signal }),
      );
    } catch (error) {
      throw sided(error, 'source', signal);
    }
  }

  async *#open(target: Descriptor, options: FetchOptions & { signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    const inline = inlineData(target);
    if (inline !== undefined) {
      yield inline.subarray(options.offset);
      return;
    }
    try {
      yield* await this.#source.fetch(target, options);
    } catch (error) {
      throw sided(error, 'source', options.signal);
    }
  }

  // Children first: a document waits for those among its children that travel as well. The graph has no cycle, or the
  // visit would have said so.
  async #pushDocuments(roots: readonly Descriptor[]): Promise<void> {
    const stop = new AbortController();
    const signal = eitherSignal(this.#options.signal, stop.signal);
    const pushes = new Map<string, Promise<void>>();
    const pushOnce = (key: string): Promise<void> => {
      const known = pushes.get(key);
      if (known !== undefined) return known;
      const document = this.#documents.get(key);
      const push = document === undefined ? Promise.resolve() : pushAfterChildren(document);
      pushes.set(key, push);
      return push;
    };
    const pushAfterChildren = async (document: Document): Promise<void> => {
      await Promise.all(document.selected.map(pushOnce));
      await this.#documentLimit(() => this.#pushDocument(document, signal));
    };
    try {
      await Promise.all(roots.map((root) => pushOnce(keyOf(root))));
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(pushes.values());
      throw error;
    }
  }

  async #pushDocument(document: Document, signal: AbortSignal): Promise<void> {
    const { target, bytes, children } = document;
    const labels = this.#options.labels?.(target, children);
    const held = bytes ?? (await this.#read(target, signal));
    await this.#push(target, openBytes(held), { labels, signal }, () => this.#restore(document, signal));
  }

  // The target may have lost what was there, or not have it for the moment in which somebody else sends it as well.
  async #restore({ children, selected }: Document, signal: AbortSignal): Promise<void> {
    for (const child of children) {
      const open: OpenBlob = (offset, hint) => this.#open(child, { ...hint, offset, signal });
      if (selected.includes(keyOf(child))) await this.#target.push(child, open, { signal });
    }
  }

  async #push(
    target: Descriptor,
    open: OpenBlob,
    options: PushOptions & { signal: AbortSignal },
    restore?: () => Promise<void>,
  ): Promise<void> {
    options.signal.throwIfAborted();
    const meter: Meter = { resumed: 0, offset: 0, travelled: 0 };
    const onResume = (offset: number): void => {
      meter.resumed = offset;
      meter.offset = offset;
    };
    try {
      const counted: OpenBlob = (from = 0, hint) => this.#count(target, open(from, hint), from, meter);
      const onLocked = (): void => this.#report(target, 'locked', 0, 0);
      const send = (): Promise<PushOutcome> => this.#target.push(target, counted, { ...options, onResume, onLocked });
      const outcome = await send().catch(async (error) => {
        if (restore === undefined || !because(error, 'content-missing')) throw error;
        await restore();
        return await send();
      });
      this.#finish(target, outcome, meter.travelled, meter.resumed);
    } catch (error) {
      this.#report(target, 'failed', meter.offset, meter.resumed);
      const failure = sided(error, 'target', options.signal);
      throw failure instanceof DrayError ? withContext(failure, { descriptor: bare(target) }) : failure;
    }
  }

  async *#count(
    target: Descriptor,
    stream: AsyncIterable<Uint8Array>,
    from: number,
    meter: Meter,
  ): AsyncGenerator<Uint8Array> {
    meter.offset = from;
    meter.resumed = Math.min(meter.resumed, from);
    this.#report(target, 'active', meter.offset, meter.resumed);
    for await (const chunk of stream) {
      // Before, since whoever has the last chunk may not ask for another.
      meter.offset += chunk.byteLength;
      meter.travelled += chunk.byteLength;
      yield chunk;
      this.#report(target, 'active', meter.offset, meter.resumed);
    }
  }

  #finish(target: Descriptor, outcome: PushOutcome, travelled: number, resumed: number): void {
    const summary = this.#summary;
    if (outcome === 'pushed') summary.pushed += 1;
    else if (outcome === 'mounted') summary.mounted += 1;
    else summary.existed += 1;
    summary.bytesMoved += travelled;
    summary.bytesSaved += Math.max(0, target.size - travelled);
    this.#report(target, outcome, target.size, resumed);
  }

  #report(target: Descriptor, state: TransferEvent['state'], offset: number, resumed: number): void {
    this.#options.onEvent?.({ target, state, offset, resumed });
  }
}

/** How far one blob is, in bytes. */
interface Meter {
  resumed: number;
  offset: number;
  travelled: number;
}

// A store that takes part says only that it is a store; which end it is at, is known here. What an inner step has said stays.
function sided(error: unknown, side: 'source' | 'target', signal: AbortSignal): unknown {
  if (signal.aborted && error === signal.reason) return error;
  const { kind, message, context } = toDrayError(error);
  if (context.side === 'source' || context.side === 'target') return error;
  return new DrayError(kind, message, { ...context, side });
}
