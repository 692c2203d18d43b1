import { DrayError, type ErrorContext, type ErrorKind, type ErrorReason, toDrayError } from '../../errors.ts';

/** How a call ended, as gRPC says it. */
export interface Status {
  /** 0 is success; the others are listed in the gRPC documentation, "Status codes and their use". */
  readonly code: number;
  readonly message: string;
  readonly reason?: string | undefined;
}

// The position is the code. Kinds of dray are those of gRPC, so that nothing is lost either way.
const kinds: readonly (ErrorKind | 'ok')[] = [
  'ok',
  'canceled',
  'unknown',
  'invalid-argument',
  'deadline-exceeded',
  'not-found',
  'already-exists',
  'permission-denied',
  'resource-exhausted',
  'failed-precondition',
  'aborted',
  'out-of-range',
  'not-implemented',
  'internal',
  'unavailable',
  'data-loss',
  'unauthenticated',
];

// With these words containerd ends the text of an error; its clients cut them off again.
const words: Partial<Record<ErrorKind, string>> = {
  'invalid-argument': 'invalid argument',
  'not-found': 'not found',
  'already-exists': 'already exists',
  'failed-precondition': 'failed precondition',
  unavailable: 'unavailable',
  'not-implemented': 'not implemented',
};

/** How a call that failed with this error ends. */
export function statusOf(error: unknown): Status {
  const { kind, message, reason } = toDrayError(error);
  const word = words[kind];
  return { code: kinds.indexOf(kind), message: word === undefined ? message : `${message}: ${word}`, reason };
}

/** The error that a status other than success means. What is not said of a code is `unknown`. */
export function errorOf({ code, message, reason }: Status, context: ErrorContext): DrayError {
  const named = kinds[code];
  const kind = named === undefined || named === 'ok' ? 'unknown' : named;
  const word = words[kind];
  const text = word !== undefined && message.endsWith(`: ${word}`) ? message.slice(0, -word.length - 2) : message;
  const known = isReason(reason) ? { kind, reason } : fromText(kind, text);
  return new DrayError(known.kind, text === '' ? `the call ended with ${kind}` : text, {
    ...context,
    reason: known.reason,
    hint: known.reason === undefined ? context.hint : hints[known.reason],
  });
}

const hints: Partial<Record<ErrorReason, string>> = {
  locked: 'another writer has it open: wait for it or end it',
  'digest-mismatch': 'abort the ingest and get the content again, perhaps from another place',
  'size-mismatch': 'abort the ingest and get the content again, perhaps from another place',
  'disk-full': 'free some space on the disk of the daemon, then run it again',
};

function isReason(text: string | undefined): text is ErrorReason {
  return text !== undefined && (Object.hasOwn(hints, text) || text === 'policy');
}

// containerd says a closer cause in words only.
const texts: readonly [ErrorKind, RegExp, ErrorReason, ErrorKind?][] = [
  ['unavailable', /\blocked\b/, 'locked'],
  ['failed-precondition', /unexpected commit digest/, 'digest-mismatch'],
  ['failed-precondition', /unexpected commit size|failed size validation/, 'size-mismatch'],
  ['unknown', /no space left on device|disk quota exceeded/, 'disk-full', 'resource-exhausted'],
];

function fromText(kind: ErrorKind, text: string): { kind: ErrorKind; reason?: ErrorReason } {
  const found = texts.find(([of, pattern]) => of === kind && pattern.test(text));
  return found === undefined ? { kind } : { kind: found[3] ?? kind, reason: found[2] };
}

/** The trailers that end a call. A message is percent-encoded UTF-8 (gRPC over HTTP/2, Responses). */
export function trailersOf({ code, message, reason }: Status): Record<string, string> {
  return {
    'grpc-status': `${code}`,
    ...(message === '' ? {} : { 'grpc-message': encodeMessage(message) }),
    ...(reason === undefined ? {} : { [reasonTrailer]: reason }),
  };
}

/** The status in trailers; undefined when they hold none. */
export function statusIn(headers: Readonly<Record<string, unknown>>): Status | undefined {
  const code = headers['grpc-status'];
  if (typeof code !== 'string' || !/^\d{1,3}$/.test(code)) return undefined;
  const [message, reason] = [headers['grpc-message'], headers[reasonTrailer]];
  return {
    code: Number(code),
    message: typeof message === 'string' ? decodeMessage(message) : '',
    reason: typeof reason === 'string' ? reason : undefined,
  };
}

/** What containerd has no place for: the reason of an error of dray. */
const reasonTrailer = 'dray-reason';

// A field of headers; peers refuse more than some kilobytes.
const longestMessage = 4096;

function encodeMessage(text: string): string {
  const bytes = Buffer.from(text.slice(0, longestMessage));
  return Array.from(bytes, (byte) =>
    byte < 0x20 || byte > 0x7e || byte === 0x25
      ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
      : String.fromCharCode(byte),
  ).join('');
}

// What is no valid escape stands for itself, as the specification asks.
function decodeMessage(text: string): string {
  const bytes = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
