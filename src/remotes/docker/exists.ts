import { is } from '../../errors.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { exchange } from './exchange.ts';
import { parseContentRange, rangeHeader } from './ranges.ts';
import type { WireResponse } from './transport.ts';
import { type UploadTarget, writeRequest } from './upload-session.ts';

/** Whether a repository has a blob of that digest and size. What cannot be seen counts as not there: then it is pushed. */
export async function blobExists(target: UploadTarget, blob: Descriptor): Promise<boolean> {
  try {
    const head = await ask(target, blob, 'HEAD');
    await head.body.discard();
    if (head.status === 200) return fits(Number(head.headers.get('content-length') ?? blob.size), blob);
    // A URL that is signed for GET refuses HEAD.
    const elsewhere = head.url.origin !== target.host.root.origin;
    return head.status === 403 && elsewhere ? await existsByGet(target, blob) : false;
  } catch (error) {
    target.signal?.throwIfAborted();
    if (is(error, 'not-found') || is(error, 'unavailable')) return false;
    throw error;
  }
}

async function existsByGet(target: UploadTarget, blob: Descriptor): Promise<boolean> {
  const response = await ask(target, blob, 'GET');
  response.body.cancel();
  if (response.status === 200) return fits(Number(response.headers.get('content-length') ?? blob.size), blob);
  const total = parseContentRange(response.headers.get('content-range') ?? '')?.total;
  return response.status === 206 && fits(total ?? blob.size, blob);
}

function fits(size: number, blob: Descriptor): boolean {
  return blob.size === 0 || size === blob.size;
}

function ask(target: UploadTarget, blob: Descriptor, method: 'HEAD' | 'GET'): Promise<WireResponse> {
  return exchange(target.host, {
    ...writeRequest(target, `blobs/${blob.digest}`),
    method,
    headers: { 'accept-encoding': 'identity', ...(method === 'GET' ? { range: rangeHeader(0, 0) } : {}) },
    expect: 'any',
  });
}
