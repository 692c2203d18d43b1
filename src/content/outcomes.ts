import { DrayError } from '../errors.ts';
import { type Fields, fieldsOf } from '../filters/filter.ts';
import type { Digest } from '../spec/digest.ts';
import type { Timestamp } from '../spec/timestamp.ts';
import type { Info, WriterOptions } from './store.ts';

/** What every content store does alike: its errors, with the same words, when an ingest is gone on with, how filters see what it holds. */

/** `not-found`: the blob is not there. */
export function missing(digest: Digest): DrayError {
  return new DrayError('not-found', `no blob ${digest} in the store`, {
    side: 'store',
    hint: 'pull or import what it belongs to',
  });
}

/** `already-exists`: the blob is there, so there is nothing to ingest. */
export function ingestExists(digest: Digest): DrayError {
  return new DrayError('already-exists', `blob ${digest} is in the store already`, { side: 'store' });
}

/** `not-found`: no ingest has that ref. */
export function noIngest(ref: string): DrayError {
  return new DrayError('not-found', `no ingest ${JSON.stringify(ref)}`, {
    side: 'store',
    hint: 'dray content status lists them',
  });
}

/** @throws DrayError `invalid-argument` for a ref that is empty or no Unicode text. */
export function checkRef(ref: string): void {
  if (ref === '') throw new DrayError('invalid-argument', 'an ingest needs a ref');
  if (!ref.isWellFormed()) throw new DrayError('invalid-argument', `ref ${JSON.stringify(ref)} is no Unicode text`);
}

/** How many bytes an ingest is opened for; a size of 0 is not known. @throws DrayError `invalid-argument` for an impossible one. */
export function totalOf({ target, size }: Pick<WriterOptions, 'target' | 'size'>): number | undefined {
  const total = target?.size || size || undefined;
  if (total === undefined || (Number.isSafeInteger(total) && total > 0)) return total;
  throw new DrayError('invalid-argument', `impossible number of bytes ${total}`);
}

/** Whether an ingest is gone on with by who writes so many bytes: unless it was begun for another number of them. */
export function continues(found: { readonly total?: number | undefined }, total: number | undefined): boolean {
  return total === undefined || found.total === undefined || found.total === total;
}

/** `unavailable`, reason `locked`: another writer holds the ingest. */
export function locked(ref: string, since: Timestamp): DrayError {
  return new DrayError('unavailable', `ingest ${JSON.stringify(ref)} is locked since ${since}`, {
    reason: 'locked',
    side: 'store',
    hint: 'another writer has it open: wait for it or end it',
  });
}

/** `failed-precondition`: a writer was used after its commit or its end. */
export function closedWriter(verb: string, ref: string): DrayError {
  return new DrayError('failed-precondition', `cannot ${verb} ingest ${ref}: its writer is closed`, {
    hint: 'open the ingest again',
  });
}

/** `failed-precondition`: a commit found other bytes than it was told to. */
export function mismatch(reason: 'digest-mismatch' | 'size-mismatch', message: string): DrayError {
  return new DrayError('failed-precondition', message, {
    reason,
    hint: 'abort the ingest and get the content again, perhaps from another place',
  });
}

/** @throws DrayError as {@link mismatch}, when an ingest of `actual` bytes is to have another size. */
export function checkSize(ref: string, actual: number, expected: number | undefined): void {
  if (expected === undefined || expected === actual) return;
  throw mismatch('size-mismatch', `ingest ${ref} has ${actual} bytes, not the expected ${expected}`);
}

/** @throws DrayError as {@link mismatch}, when an ingest is to have another digest. */
export function checkExpected(ref: string, actual: Digest, expected: Digest | undefined): void {
  if (expected === undefined || expected === actual) return;
  throw mismatch('digest-mismatch', `ingest ${ref} has the digest ${actual}, not the expected ${expected}`);
}

/** `not-found`: an ingest, or the blob it had become, was removed before its commit was done. */
export function takenAway(digest: Digest): DrayError {
  return new DrayError('not-found', `the ingest of ${digest} was taken away`, {
    side: 'store',
    hint: 'get the content again',
  });
}

/** How filters see a blob. */
export function infoFields({ digest, labels }: Info): Fields {
  return fieldsOf({ digest, labels });
}

/** How filters see an ingest. */
export function statusFields({ ref }: { readonly ref: string }): Fields {
  return fieldsOf({ ref });
}
