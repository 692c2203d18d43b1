import { inspect } from 'node:util';
import { codeOf, type DrayError, type ErrorKind, type ErrorReason, toDrayError } from '../errors.ts';
import type { Output } from './output.ts';
import { visible } from './visible.ts';

const byReason: Readonly<Record<ErrorReason, number>> = {
  'digest-mismatch': 6,
  'size-mismatch': 6,
  'bad-document': 6,
  'bad-archive': 6,
  'content-missing': 6,
  locked: 10,
  'disk-full': 10,
  'rate-limited': 7,
  policy: 9,
};

const byKind: Readonly<Record<ErrorKind, number>> = {
  canceled: 130,
  unknown: 1,
  internal: 1,
  'invalid-argument': 2,
  'not-implemented': 2,
  'out-of-range': 2,
  'not-found': 3,
  unauthenticated: 4,
  'permission-denied': 4,
  'data-loss': 6,
  unavailable: 7,
  'deadline-exceeded': 7,
  'already-exists': 9,
  'failed-precondition': 9,
  aborted: 9,
  'resource-exhausted': 10,
};

/** The exit code that the contract of the command gives an error. */
export function exitCodeOf(error: unknown): number {
  const known = toDrayError(error);
  // A registry has a disk and limits of its own.
  if (known.kind === 'resource-exhausted' && known.context.registry !== undefined) return 7;
  if (known.reason !== undefined) return byReason[known.reason];
  return isOfMachine(known) ? 10 : (ofPeer(known) ?? byKind[known.kind]);
}

// What a registry or a daemon makes of a request is neither a bug of dray nor wrong usage of it.
function ofPeer({ kind, context: { request, status } }: DrayError): number | undefined {
  if (request === undefined) return undefined;
  if (kind === 'internal' || kind === 'unknown') return 7;
  return status !== undefined && byKind[kind] === 2 ? 9 : undefined;
}

/** What says that a file or an address of this machine cannot be had, whichever end of a movement it is at. */
const codesOfMachine: ReadonlySet<string | undefined> = new Set([
  'EACCES',
  'EADDRINUSE',
  'EBUSY',
  'EIO',
  'EPERM',
  'EROFS',
  'ERR_SQLITE_ERROR',
]);

// What a registry forbids is a matter of credentials; that it, or a daemon, does not answer is one of the network.
function isOfMachine({ kind, context: { side, registry, cause } }: DrayError): boolean {
  if (kind !== 'permission-denied' && kind !== 'unavailable') return false;
  if (kind === 'permission-denied' && side === 'store') return true;
  return registry === undefined && codesOfMachine.has(codeOf(cause));
}

/** Tells a person, or with `--json` a program, what went wrong and what to do next. */
export function reportError(error: unknown, output: Output): void {
  const known = toDrayError(error);
  if (output.json) {
    output.sayJson({ code: exitCodeOf(error), ...known.toJSON() });
  } else {
    output.say(describeError(known));
  }
  if (output.debug) output.say(inspect(error, { depth: 8 }));
}

function describeError(error: DrayError): string {
  const { operation, step, request, attempts, credentials, registry, side, path, hint, descriptor } = error.context;
  const details = [
    step === undefined || request !== undefined ? undefined : `while: ${step}`,
    request === undefined ? undefined : `while: ${request}`,
    registry === undefined ? undefined : `registry: ${registry}`,
    side === undefined || side === 'store' ? undefined : `side: ${side}`,
    attempts === undefined ? undefined : `attempts: ${attempts}`,
    credentials === undefined ? undefined : `credentials: ${credentials}`,
    descriptor === undefined ? undefined : `object: ${descriptor.digest}`,
    path === undefined || error.message.includes(path) ? undefined : `path: ${path}`,
  ].filter((detail) => detail !== undefined);
  return [
    visible(operation === undefined ? `error: ${error.message}` : `${operation} failed: ${error.message}`),
    ...(details.length === 0 ? [] : [`  ${visible(details.join('   '))}`]),
    ...(hint === undefined ? [] : [`  hint: ${hint}`]),
  ].join('\n');
}
