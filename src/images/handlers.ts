import pLimit from 'p-limit';
import { eitherSignal } from '../content/abort.ts';
import { checkCount } from '../content/count.ts';
import { DrayError, is, withContext } from '../errors.ts';
import { bare, type Descriptor } from '../spec/descriptor.ts';
import { fanOutLimit } from '../spec/documents.ts';
import { formatPlatform } from '../spec/platform.ts';

/** What a handler gets besides the descriptor. */
export interface HandlerContext {
  readonly signal: AbortSignal;
}

/** Does something with an object and returns what is to be visited below it. */
export type Handler = (target: Descriptor, context: HandlerContext) => Promise<readonly Descriptor[]>;

/** Thrown by a handler: this object is done, and nothing below it is visited. No error. */
export const skipDescriptor: symbol = Symbol('dray.skip-descriptor');

/** Thrown by a handler: the handlers behind it in {@link handlers} are not called for this object. No error. */
export const stopHandler: symbol = Symbol('dray.stop-handler');

/** The deepest path from a root that is followed, in edges. */
export const depthLimit = 32;

/** The most different objects one walk visits. */
export const graphLimit = 100_000;

/** Several handlers as one: called in order, their children joined. */
export function handlers(...all: readonly Handler[]): Handler {
  return async (target, context) => {
    const children: Descriptor[] = [];
    for (const handler of all) {
      try {
        children.push(...(await handler(target, context)));
      } catch (error) {
        if (error === stopHandler) break;
        throw error;
      }
    }
    return children;
  };
}

/** Options of {@link walk} and {@link dispatch}. */
export interface WalkOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Visits everything below the roots, parents before children and one object after another. Every object is visited once,
 * however many parents it has.
 * @throws DrayError what a handler threw, with the descriptor in its context; `invalid-argument`, reason `bad-document`, for
 * a cycle, a path longer than {@link depthLimit} or more objects than {@link graphLimit}.
 */
export async function walk(handler: Handler, roots: readonly Descriptor[], options: WalkOptions = {}): Promise<void> {
  const signal = options.signal ?? new AbortController().signal;
  const graph = new Graph();
  const visit = async (target: Descriptor, trail: Trail | undefined): Promise<void> => {
    signal.throwIfAborted();
    const next = graph.enter(target, trail);
    if (next === undefined) return;
    const children = await call(handler, target, signal);
    graph.add(target, children);
    for (const child of children) await visit(child, next);
  };
  for (const root of roots) await visit(root, undefined);
  graph.check(roots);
}

/** Options of {@link dispatch}. */
export interface DispatchOptions extends WalkOptions {
  /** How many handlers run at once. */
  readonly concurrency?: number | undefined;
}

/** How many handlers {@link dispatch} runs at once when nobody says. */
export const defaultConcurrency = 6;

/**
 * Visits everything below the roots, siblings at once. Every object is visited once, however many parents it has. The first
 * error aborts the signal of all other handlers; it is thrown when the last of them has ended, so nothing goes on behind
 * the caller's back.
 * @throws DrayError as {@link walk} does; `invalid-argument` for a concurrency that is no whole number from 1 on; the signal's
 * reason when the caller gave up.
 */
export async function dispatch(
  handler: Handler,
  roots: readonly Descriptor[],
  options: DispatchOptions = {},
): Promise<void> {
  const limit = pLimit(checkCount('the concurrency', options.concurrency ?? defaultConcurrency));
  const stop = new AbortController();
  const signal = eitherSignal(options.signal, stop.signal);
  const graph = new Graph();
  const visit = async (target: Descriptor, trail: Trail | undefined): Promise<void> => {
    const next = graph.enter(target, trail);
    if (next === undefined) return;
    const children = await limit(() => {
      signal.throwIfAborted();
      return call(handler, target, signal);
    });
    graph.add(target, children);
    await all(children, next);
  };
  const all = async (targets: readonly Descriptor[], trail: Trail | undefined): Promise<void> => {
    const visits = targets.map(async (target) => {
      try {
        await visit(target, trail);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    });
    await Promise.allSettled(visits);
    await Promise.all(visits);
  };
  try {
    await all(roots, undefined);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw stop.signal.aborted ? stop.signal.reason : error;
  }
  graph.check(roots);
}

async function call(handler: Handler, target: Descriptor, signal: AbortSignal): Promise<readonly Descriptor[]> {
  try {
    return await handler(target, { signal });
  } catch (error) {
    if (error === skipDescriptor) return [];
    if (signal.aborted && error === signal.reason) throw error;
    throw withContext(ofPlatform(error, target), { descriptor: bare(target) });
  }
}

// A place that lacks what an index has for a platform cannot know that this is why, and what to do then.
function ofPlatform(error: unknown, { platform }: Descriptor): unknown {
  if (platform === undefined || !is(error, 'not-found')) return error;
  return new DrayError(error.kind, `${error.message}, which is what the index has for ${formatPlatform(platform)}`, {
    ...error.context,
    hint: 'choose what is there with --platform, or bring the rest with dray pull --all-platforms',
  });
}

/** The way from a root to an object, for telling a cycle. */
interface Trail {
  readonly key: string;
  readonly depth: number;
  readonly parent: Trail | undefined;
}

/** What identifies an object in a graph: one digest may be looked at as two types. */
export function keyOf(target: Descriptor): string {
  return `${target.mediaType} ${target.digest}`;
}

// Remembers what was met. A path that is too long ends the walk at once; paths that nobody walked, because their objects
// had been visited on a shorter one, are looked at in the end, so that the outcome does not depend on timing.
class Graph {
  readonly #children = new Map<string, readonly string[]>();
  readonly #entered = new Set<string>();

  enter(target: Descriptor, trail: Trail | undefined): Trail | undefined {
    const key = keyOf(target);
    for (let at = trail; at !== undefined; at = at.parent) if (at.key === key) throw cycle(target.digest);
    const depth = trail === undefined ? 0 : trail.depth + 1;
    if (depth > depthLimit) throw tooDeep();
    if (this.#entered.has(key)) return undefined;
    if (this.#entered.size >= graphLimit) throw bad(`more than ${graphLimit} objects`);
    this.#entered.add(key);
    return { key, depth, parent: trail };
  }

  add(target: Descriptor, children: readonly Descriptor[]): void {
    if (children.length > fanOutLimit)
      throw bad(`${target.digest} has ${children.length} children, more than ${fanOutLimit}`);
    if (children.length > 0) this.#children.set(keyOf(target), children.map(keyOf));
  }

  check(roots: readonly Descriptor[]): void {
    const heights = new Map<string, number>();
    const open = new Set<string>();
    const height = (key: string, depth: number): number => {
      const known = heights.get(key);
      if (known !== undefined) return known;
      if (open.has(key)) throw cycle(key.slice(key.indexOf(' ') + 1));
      if (depth > depthLimit) throw tooDeep();
      open.add(key);
      let tallest = 0;
      for (const child of this.#children.get(key) ?? []) tallest = Math.max(tallest, 1 + height(child, depth + 1));
      open.delete(key);
      heights.set(key, tallest);
      if (tallest > depthLimit) throw tooDeep();
      return tallest;
    };
    for (const root of roots) height(keyOf(root), 0);
  }
}

function cycle(digest: string): DrayError {
  return bad(`${digest} is below itself`);
}

function tooDeep(): DrayError {
  return bad(`objects nested deeper than ${depthLimit}`);
}

function bad(problem: string): DrayError {
  return new DrayError('invalid-argument', `impossible image graph: ${problem}`, {
    reason: 'bad-document',
    hint: 'no tool makes such an image by accident',
  });
}
