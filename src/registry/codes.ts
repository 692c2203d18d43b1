import { DrayError, type ErrorKind, is } from '../errors.ts';

/** The error codes of the distribution specification (Error Codes), and those that registries add to them. */
export type ErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PAGINATION_NUMBER_INVALID'
  | 'RANGE_INVALID'
  | 'SIZE_INVALID'
  | 'TAG_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNAVAILABLE'
  | 'UNKNOWN'
  | 'UNSUPPORTED';

const outcomes: Readonly<Record<ErrorCode, readonly [ErrorKind, number]>> = {
  BLOB_UNKNOWN: ['not-found', 404],
  BLOB_UPLOAD_INVALID: ['failed-precondition', 400],
  BLOB_UPLOAD_UNKNOWN: ['not-found', 404],
  DENIED: ['permission-denied', 403],
  DIGEST_INVALID: ['invalid-argument', 400],
  MANIFEST_BLOB_UNKNOWN: ['failed-precondition', 400],
  MANIFEST_INVALID: ['invalid-argument', 400],
  MANIFEST_UNKNOWN: ['not-found', 404],
  NAME_INVALID: ['invalid-argument', 400],
  NAME_UNKNOWN: ['not-found', 404],
  PAGINATION_NUMBER_INVALID: ['invalid-argument', 400],
  RANGE_INVALID: ['out-of-range', 416],
  SIZE_INVALID: ['invalid-argument', 400],
  TAG_INVALID: ['invalid-argument', 400],
  TOOMANYREQUESTS: ['resource-exhausted', 429],
  UNAUTHORIZED: ['unauthenticated', 401],
  UNAVAILABLE: ['unavailable', 503],
  UNKNOWN: ['internal', 500],
  UNSUPPORTED: ['not-implemented', 405],
};

/** Says more about a {@link refusal}. */
export interface RefusalOptions {
  /** Another status than the code's own. */
  readonly status?: number | undefined;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** The error that answers a request with a code of the specification. */
export function refusal(code: ErrorCode, message: string, { status, hint, cause }: RefusalOptions = {}): DrayError {
  const [kind, usual] = outcomes[code];
  return new DrayError(kind, message, { codes: [code], status: status ?? usual, hint, cause });
}

/** Whether an error is a {@link refusal}, and not what another registry said. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof DrayError)) return false;
  const { codes, status, registry } = error.context;
  return codes !== undefined && status !== undefined && registry === undefined;
}

const byKind: Readonly<Record<ErrorKind, readonly [ErrorCode, number]>> = {
  canceled: ['UNAVAILABLE', 503],
  unknown: ['UNKNOWN', 500],
  'invalid-argument': ['MANIFEST_INVALID', 400],
  'deadline-exceeded': ['UNAVAILABLE', 504],
  'not-found': ['NAME_UNKNOWN', 404],
  'already-exists': ['UNKNOWN', 409],
  'permission-denied': ['DENIED', 403],
  'resource-exhausted': ['TOOMANYREQUESTS', 429],
  'failed-precondition': ['UNKNOWN', 500],
  aborted: ['UNAVAILABLE', 503],
  'out-of-range': ['RANGE_INVALID', 416],
  'not-implemented': ['UNSUPPORTED', 405],
  internal: ['UNKNOWN', 500],
  unavailable: ['UNAVAILABLE', 503],
  'data-loss': ['UNKNOWN', 500],
  unauthenticated: ['UNAUTHORIZED', 401],
};

/** What a client is told of a failure. */
export interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/**
 * A failure as a client may see it. What the registry did not refuse itself is told by its kind alone: the message of an
 * error of the store may name paths, which are nobody's business.
 */
export function answerOf(error: unknown): Answer {
  if (!(error instanceof DrayError)) return { status: 500, code: 'UNKNOWN', message: 'the registry failed' };
  if (isRefusal(error)) {
    const { codes, status = 500, hint } = error.context;
    return { status, code: codes?.[0] ?? 'UNKNOWN', message: error.message, hint };
  }
  if (error.reason === 'disk-full')
    return { status: 507, code: 'UNAVAILABLE', message: 'the registry is out of space' };
  const [code, usual] = byKind[isForbiddenHere(error) ? 'internal' : error.kind];
  return { status: usual, code, message: usual >= 500 ? 'the registry failed' : error.kind.replaceAll('-', ' ') };
}

/** Whether a file of the store may not be touched: who may do what is refused by the registry itself, or by its upstream. */
export function isForbiddenHere(error: unknown): boolean {
  return is(error, 'permission-denied') && !isRefusal(error) && error.context.registry === undefined;
}
