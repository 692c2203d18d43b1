import { is } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { exchange } from './exchange.ts';
import type { HostRequest, HostResponse } from './host-request.ts';
import type { HostState } from './host-state.ts';
import { parseContentRange, rangeHeader } from './ranges.ts';
import type { WireResponse } from './transport.ts';
import { type UploadTarget, writeRequest } from './upload-session.ts';

/** Whether a repository has a blob of that digest and size. What cannot be seen counts as not there: then it is pushed. */
export async function blobExists(target: UploadTarget, blob: Descriptor): Promise<boolean> {
  try {
    const answer = await lookAtBlob(target.host, writeRequest(target, `blobs/${blob.digest}`));
    await answer.body.discard();
    const size = sizeIn(answer) ?? blob.size;
    return isThere(answer) && (blob.size === 0 || size === blob.size);
  } catch (error) {
    target.signal?.throwIfAborted();
    if (is(error, 'not-found') || is(error, 'unavailable')) return false;
    throw error;
  }
}

/** Asks for a blob without its bytes, at the most for one of them. Gives the answer, whatever it is. */
export async function lookAtBlob(
  host: HostState,
  request: Omit<HostRequest, 'method' | 'headers' | 'expect'>,
): Promise<HostResponse> {
  const head = await exchange(host, { ...request, method: 'HEAD', expect: 'any' });
  if (head.status !== 403 || head.url.origin === host.root.origin) return head;
  // A URL that is signed for GET refuses HEAD.
  await head.body.discard();
  return await exchange(host, { ...request, method: 'GET', headers: { range: rangeHeader(0, 0) }, expect: 'any' });
}

/** Whether an answer of {@link lookAtBlob} says that the blob is there. */
export function isThere({ status }: WireResponse): boolean {
  return status === 200 || status === 206;
}

/** How large a blob is by an answer of {@link lookAtBlob}; undefined where it does not say. */
export function sizeIn({ status, headers }: WireResponse): number | undefined {
  if (status === 206) return parseContentRange(headers.get('content-range') ?? '')?.total;
  const length = headers.get('content-length') ?? '';
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}
