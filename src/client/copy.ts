import { streamOf } from '../content/bytes.ts';
import type { Fetcher, Pusher } from '../content/copy.ts';
import { collectDocument, readDocument } from '../content/documents.ts';
import type { AbortableOptions, Labels } from '../content/store.ts';
import { DrayError, type ErrorContext, firstFailure, ifFound, toDrayError, withContext } from '../errors.ts';
import { hasChildren } from '../images/children.ts';
import { type Handler, skipDescriptor } from '../images/handlers.ts';
import { type TransferEvent, type TransferSummary, transfer } from '../images/transfer.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { isNonDistributable, isSchema1 } from '../spec/media-types.ts';
import { referrerOf } from '../spec/referrers.ts';
import { referrersListOf, rootFor } from './look.ts';
import type { Place, Source, Target } from './place.ts';
import { copyReferrers } from './referrers.ts';
import {
  convertedLabel,
  type Moved,
  moveConverted,
  type Schema1Options,
  schema1Options,
  unconverted,
} from './schema1.ts';
import { type PlatformSelection, selectPlatforms, withAllMetadata } from './select.ts';

/** What a copy tells while it runs. */
export type ProgressEvent =
  | { readonly type: 'resolved'; readonly name: string; readonly target: Descriptor }
  | ({ readonly type: 'blob' } & TransferEvent)
  | { readonly type: 'done'; readonly reference: string; readonly summary: TransferSummary };

/** Options of every copy between two places. */
export interface CopyOptions extends AbortableOptions {
  /** Which platforms' content travels. If not said, `pull`, `fetch` and {@link copyImage} take what runs here, `push` and `copy` all. */
  readonly platforms?: PlatformSelection;
  /** Also the manifests and configs of the platforms whose layers do not travel. */
  readonly allMetadata?: boolean | undefined;
  /**
   * `index`: the index stays the root, even when only some platforms' content travels. `manifest`: with one platform, its
   * manifest is the root, for places that refuse an incomplete index.
   */
  readonly root?: 'index' | 'manifest' | undefined;
  /** More tags for the root, in a registry; refused for any other target. */
  readonly tags?: readonly string[] | undefined;
  /** Labels for the image, in a store. */
  readonly labels?: Labels | undefined;
  /** Blobs that travel at once. */
  readonly concurrency?: number | undefined;
  /** Also what refers to the image and its manifests, and what refers to that: signatures, attestations. */
  readonly referrers?: boolean | undefined;
  /**
   * Also looks below what the target has. An image that is there counts as whole otherwise; it is not where only some of its
   * platforms were copied, or where something was removed.
   */
  readonly repair?: boolean | undefined;
  /** Also layers that their owner does not want in other registries. */
  readonly nonDistributable?: boolean | undefined;
  /** Converts an image of Docker schema 1 on its way into a store; `true` as containerd did. Refused if not said. */
  readonly convertSchema1?: boolean | Schema1Options | undefined;
  /** Called for each object before it travels; throws {@link skipDescriptor} for what is to be left out. */
  readonly handler?: Handler | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** What was copied. */
export interface Copied extends Moved {
  /** Name with digest of the root at the target. */
  readonly reference: string;
}

/**
 * Copies one image from a place to another: what is missing over there travels, documents after their children, the name last.
 * @throws DrayError of the place that failed, with the side in its context; nothing is named then.
 */
export async function copyImage(from: Place, to: Place, options: CopyOptions = {}): Promise<Copied> {
  return await runCopy(openCopy(from, to, options));
}

/** Runs a copy once it is open, and closes it. @throws as {@link copyImage} does. */
export async function runCopy(opening: Promise<OpenCopy>): Promise<Copied> {
  try {
    await using copy = await opening;
    return await copy.run();
  } catch (error) {
    throw firstFailure(error);
  }
}

/** A copy that is about to begin: it is known what the source has, and whether the target has it already. */
export interface OpenCopy extends AsyncDisposable {
  /** What is copied. */
  readonly root: Descriptor;
  /** Whether the target had all of it, as far as it can tell. */
  readonly isThere: boolean;
  /** Moves what is missing and names it. Called once. @throws as {@link copyImage} does. */
  run(): Promise<Copied>;
}

/** The first step of {@link copyImage}, which moves nothing but tags. The caller closes it. @throws as {@link copyImage} does. */
export async function openCopy(from: Place, to: Place, options: CopyOptions): Promise<OpenCopy> {
  const { signal, tags, labels } = options;
  if (to.kind !== 'registry' && tags !== undefined && tags.length > 0) throw noTags(to);
  await using opened = new AsyncDisposableStack();
  const source = opened.use(await from.source({ signal }).catch(onSide('source')));
  if (options.referrers === true) referrersListOf(source);
  const root = await chooseRoot(source, options);
  const isOld = isSchema1(root.mediaType);
  if (isOld && schema1Options(options.convertSchema1) === undefined) throw unconverted(source.name);
  const noted = isOld ? { ...labels, [convertedLabel]: root.digest } : labels;
  const target = opened.use(await to.target({ source, tags, labels: noted, root, signal }).catch(onSide('target')));
  const push: Pusher['push'] = (object, open, how) => target.pusher.push(object, open, how);
  const isThere = options.repair !== true && (await isComplete(target.pusher, root, signal).catch(onSide('target')));
  const pusher = options.repair === true ? { push } : { push, complete: afterAsking(target.pusher, root, isThere) };
  const held = opened.move();
  return {
    root,
    isThere,
    run: () => move({ source, target, pusher, root, before: beforeEach(to, options) }, options),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function isComplete(pusher: Pusher, root: Descriptor, signal: AbortSignal | undefined): Promise<boolean> {
  return hasChildren(root.mediaType) && ((await pusher.complete?.(root, { signal })) ?? false);
}

// What the target says of the root is not asked again when the root's turn comes.
function afterAsking(pusher: Pusher, root: Descriptor, isThere: boolean): NonNullable<Pusher['complete']> {
  return async (target, options) =>
    target.digest === root.digest ? isThere : ((await pusher.complete?.(target, options)) ?? false);
}

/** Both ends of a copy, and what goes from one to the other. */
interface Ends {
  readonly source: Source;
  readonly target: Target;
  readonly pusher: Pusher;
  readonly root: Descriptor;
  readonly before: Handler | undefined;
}

async function move(ends: Ends, options: CopyOptions): Promise<Copied> {
  const { source, target, root } = ends;
  const { signal, onProgress } = options;
  onProgress?.({ type: 'resolved', name: source.name, target: root });
  const moved = isSchema1(root.mediaType)
    ? await moveConverted(source, target, root, { ...options, onEvent: blobTold(onProgress) })
    : await moveAll(ends, options);
  const reference = await target.finish(moved.root, { signal }).catch(onSide('target'));
  onProgress?.({ type: 'done', reference, summary: moved.summary });
  return { reference, ...moved };
}

function blobTold(onProgress: CopyOptions['onProgress']): (event: TransferEvent) => void {
  return (event) => onProgress?.({ type: 'blob', ...event });
}

async function moveAll({ source, target, pusher, root, before }: Ends, options: CopyOptions): Promise<Moved> {
  const { signal } = options;
  const tell = blobTold(options.onProgress);
  const documents = new Map<string, Descriptor>();
  const moveOne = (
    object: Descriptor,
    platforms: PlatformSelection,
    fetcher = fetcherFor(source, target),
  ): Promise<TransferSummary> =>
    transfer(fetcher, pusher, [object], {
      signal,
      concurrency: options.concurrency,
      select: options.allMetadata === true ? withAllMetadata(selectPlatforms(platforms)) : selectPlatforms(platforms),
      labels: target.labels,
      before,
      onEvent: (event) => {
        if (hasChildren(event.target.mediaType)) documents.set(event.target.digest, event.target);
        tell(event);
      },
    });
  const summary = await moveOne(root, root === source.root ? options.platforms : 'all');
  if (options.referrers === true)
    await moveReferrers(
      source,
      target,
      [...documents.values()],
      (object, fetcher) => moveOne(object, 'all', fetcher),
      options,
    );
  return { root, summary, documents: [...documents.values()] };
}

async function moveReferrers(
  source: Source,
  { refer }: Target,
  subjects: readonly Descriptor[],
  move: (object: Descriptor, fetcher: Fetcher) => Promise<unknown>,
  { signal, onProgress }: CopyOptions,
): Promise<void> {
  const { fetcher } = source;
  const bring = async (referrer: Descriptor, subject: Descriptor): Promise<readonly Descriptor[] | undefined> => {
    const document = fetcher
      .fetch(referrer, { signal })
      .then((stream) => collectDocument(stream, referrer, { signal }));
    const bytes = await ifFound(document);
    // Whoever deletes one may leave it in the list, from which nobody else can take it.
    if (bytes === undefined) onProgress?.({ type: 'blob', target: referrer, state: 'skipped', offset: 0, resumed: 0 });
    if (bytes === undefined || referrerOf(referrer, bytes)?.subject.digest !== subject.digest) return undefined;
    await move(referrer, withDocument(fetcher, referrer, bytes));
    return [referrer];
  };
  await copyReferrers(subjects, { referrers: referrersListOf(source), bring, refer, signal });
}

// What was read already is not read again.
function withDocument(fetcher: Fetcher, document: Descriptor, bytes: Uint8Array): Fetcher {
  return {
    async fetch(target, options = {}) {
      if (target.digest !== document.digest || options.distrust === true) return fetcher.fetch(target, options);
      return streamOf(bytes.subarray(options.offset));
    },
  };
}

function noTags({ name }: Place): DrayError {
  return new DrayError('invalid-argument', `${name} takes no further tags`, {
    side: 'target',
    hint: 'tags are given in a registry; for an image in the store: dray images tag REF NEW',
  });
}

async function chooseRoot(source: Source, { root, platforms, signal }: CopyOptions): Promise<Descriptor> {
  if (root !== 'manifest' || platforms === 'all' || platforms?.length !== 1) return source.root;
  const { platform: _, ...chosen } = await rootFor(source, { platforms, signal });
  return chosen;
}

// A document that the target has is not read from far away.
function fetcherFor(source: Source, { local }: Target): Fetcher {
  if (local === undefined) return source.fetcher;
  return {
    async fetch(target, options) {
      if (!hasChildren(target.mediaType)) return source.fetcher.fetch(target, options);
      try {
        return streamOf(await readDocument(local, target, { signal: options?.signal }));
      } catch {
        options?.signal?.throwIfAborted();
        return source.fetcher.fetch(target, options);
      }
    },
  };
}

function beforeEach(to: Place, { nonDistributable = false, handler }: CopyOptions): Handler | undefined {
  const keepsForeign = nonDistributable || to.kind !== 'registry';
  if (keepsForeign && handler === undefined) return undefined;
  return async (target, context) => {
    if (!keepsForeign && isNonDistributable(target.mediaType)) throw skipDescriptor;
    return (await handler?.(target, context)) ?? [];
  };
}

function onSide(side: 'source' | 'target'): (error: unknown) => never {
  return (error) => {
    const known = toDrayError(error);
    const context: ErrorContext = { side };
    throw known === error ? withContext(known, context) : error;
  };
}
