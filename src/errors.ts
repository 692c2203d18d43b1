/**
 * The one error class of dray and its closed set of kinds. The kinds are those of containerd and gRPC, so that an error
 * keeps its meaning on its way through a socket; `reason` says more where several causes share a kind.
 */

/** What went wrong, as a caller has to tell it apart. */
export type ErrorKind =
  | 'canceled'
  | 'unknown'
  | 'invalid-argument'
  | 'deadline-exceeded'
  | 'not-found'
  | 'already-exists'
  | 'permission-denied'
  | 'resource-exhausted'
  | 'failed-precondition'
  | 'aborted'
  | 'out-of-range'
  | 'not-implemented'
  | 'internal'
  | 'unavailable'
  | 'data-loss'
  | 'unauthenticated';

/** A closer cause, for callers that decide by it (retry, exit code, hint). */
export type ErrorReason =
  /** Bytes do not have the digest they were named by. */
  | 'digest-mismatch'
  /** Bytes are more or fewer than their descriptor says. */
  | 'size-mismatch'
  /** A document is malformed, ambiguous, too large or too deep. */
  | 'bad-document'
  /** An archive or a layout is malformed. */
  | 'bad-archive'
  /** What a document refers to is not where the document is to be. */
  | 'content-missing'
  /** Another writer holds the ingest. */
  | 'locked'
  /** The disk or a quota is full. */
  | 'disk-full'
  /** A registry asks for fewer requests. */
  | 'rate-limited'
  /** A policy or a setting of ours or of the registry forbids it. */
  | 'policy';

/** Which end of a movement failed. */
export type ErrorSide = 'source' | 'target' | 'store';

/** Everything an error may say besides its message. */
export interface ErrorContext {
  readonly reason?: ErrorReason | undefined;
  /** What was being done, as a verb phrase: `pull docker.io/library/redis:7`. */
  readonly operation?: string | undefined;
  /** The part of the operation that failed. */
  readonly step?: string | undefined;
  readonly side?: ErrorSide | undefined;
  /** Media type and digest of the object in hand. */
  readonly descriptor?: { readonly mediaType: string; readonly digest: string; readonly size: number } | undefined;
  /** Host of the registry, with its port. */
  readonly registry?: string | undefined;
  /** The failed request without its secrets: `POST /v2/app/blobs/uploads/`. */
  readonly request?: string | undefined;
  /** HTTP status of the last answer. */
  readonly status?: number | undefined;
  /** The registry's own error codes, such as `DENIED`. */
  readonly codes?: readonly string[] | undefined;
  readonly attempts?: number | undefined;
  /** Where the credentials came from and for whom, never what they are. */
  readonly credentials?: string | undefined;
  readonly path?: string | undefined;
  /** The next step for a person. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

const brand = Symbol.for('dray.error');

/** Every error that dray itself raises. `instanceof` works across copies of the package. */
export class DrayError extends Error {
  readonly kind: ErrorKind;
  readonly context: ErrorContext;

  constructor(kind: ErrorKind, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.name = 'DrayError';
    this.kind = kind;
    this.context = context;
    Object.defineProperty(this, brand, { value: true });
  }

  get reason(): ErrorReason | undefined {
    return this.context.reason;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true;
  }

  /** Keys of the `--json` error of the command; `cause` is the chain of messages. */
  toJSON(): Record<string, unknown> {
    const { cause, ...context } = this.context;
    return { kind: this.kind, message: this.message, ...context, cause: messagesOf(cause) };
  }
}

/** Whether `error` is a {@link DrayError} of that kind. */
export function is(error: unknown, kind: ErrorKind): error is DrayError {
  return error instanceof DrayError && error.kind === kind;
}

/** Whether `error` is a {@link DrayError} with that reason. */
export function because(error: unknown, reason: ErrorReason): error is DrayError {
  return error instanceof DrayError && error.reason === reason;
}

/** What a promise gives; undefined where it fails with that kind. @throws what else it fails with. */
export async function unless<T>(kind: ErrorKind, promise: Promise<T>): Promise<T | undefined> {
  return await promise.catch((error: unknown) => {
    if (is(error, kind)) return undefined;
    throw error;
  });
}

/** What a promise gives; undefined where it fails with `not-found`. @throws what else it fails with. */
export async function ifFound<T>(promise: Promise<T>): Promise<T | undefined> {
  return await unless('not-found', promise);
}

/** What the file system gives; undefined where nothing is at the path. @throws what else it fails with. */
export async function ifThere<T>(promise: Promise<T>): Promise<T | undefined> {
  return await promise.catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  });
}

/**
 * The same failure with more said about it: context that `error` has already is kept, what is missing is added. Errors
 * that are not dray's become `unknown`, or what their system code means.
 */
export function withContext(error: unknown, context: ErrorContext): DrayError {
  const known = toDrayError(error);
  return new DrayError(known.kind, known.message, { ...context, ...said(known.context), cause: known.context.cause });
}

function said(context: ErrorContext): ErrorContext {
  return Object.fromEntries(Object.entries(context).filter(([, value]) => value !== undefined));
}

/** `error` as a {@link DrayError}: system errors by their code, everything else as `unknown` with its message. */
export function toDrayError(thrown: unknown): DrayError {
  const error = firstFailure(thrown);
  if (error instanceof DrayError) return error;
  const code = codeOf(error);
  const known = code === undefined ? undefined : systemKinds[code];
  const message = error instanceof Error ? error.message : String(error);
  const path = (error as { path?: unknown })?.path;
  return new DrayError(known?.kind ?? 'unknown', message, {
    reason: known?.reason,
    hint: known?.hint,
    path: typeof path === 'string' ? path : undefined,
    cause: error,
  });
}

/**
 * What went wrong first: closing a resource after a failure may fail as well, for example on a full disk, and then the runtime
 * wraps the failure that matters.
 */
export function firstFailure(error: unknown): unknown {
  let first = error;
  while (first instanceof SuppressedError) first = first.suppressed;
  return first;
}

/** The `code` of a system error (`ENOENT`), if it has one. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

const diskFull = {
  kind: 'resource-exhausted',
  reason: 'disk-full',
  hint: 'free some space, then run it again',
} as const;
const forbidden = {
  kind: 'permission-denied',
  hint: 'check the owner and the mode of the path; on Windows another program may have it open',
} as const;
const tooManyFiles = {
  kind: 'resource-exhausted',
  hint: 'raise the limit of open files or lower --concurrency',
} as const;

const systemKinds: Readonly<Record<string, { kind: ErrorKind; reason?: ErrorReason; hint?: string }>> = {
  ENOSPC: diskFull,
  EDQUOT: diskFull,
  EFBIG: diskFull,
  EACCES: forbidden,
  EPERM: forbidden,
  EROFS: { kind: 'permission-denied', hint: 'the file system is mounted read-only' },
  EBUSY: { kind: 'unavailable', hint: 'another program has it open: try again when that is done' },
  EIO: { kind: 'unavailable', hint: 'the disk failed: look at the log of the system' },
  ENAMETOOLONG: { kind: 'invalid-argument', hint: 'use a shorter name' },
  EMFILE: tooManyFiles,
  ENFILE: tooManyFiles,
  // Node's own: its permission model, and a path that no system takes.
  ERR_ACCESS_DENIED: {
    kind: 'permission-denied',
    hint: 'allow it to the process with the options of node --permission; where none allows to flush files, use a store with durability none',
  },
  ERR_INVALID_ARG_VALUE: { kind: 'invalid-argument' },
  ENOENT: { kind: 'not-found' },
  EEXIST: { kind: 'already-exists' },
  ENOTDIR: { kind: 'failed-precondition' },
  EISDIR: { kind: 'failed-precondition' },
  ELOOP: { kind: 'failed-precondition', hint: 'a symbolic link is where a file has to be' },
};

function messagesOf(cause: unknown): string[] | undefined {
  const messages: string[] = [];
  for (
    let at = cause;
    at !== undefined && at !== null && messages.length < 10;
    at = (at as { cause?: unknown }).cause
  ) {
    messages.push(at instanceof Error ? at.message : String(at));
  }
  return messages.length === 0 ? undefined : messages;
}
