import { isDigest } from '../../spec/digest.ts';
import type { RepositoryContents, StoredBlob } from './contents.ts';
import type { Quirks } from './quirks.ts';
import { empty, failure, type Reply, type Wire } from './wire.ts';

/** GET and HEAD of a blob. */
export function serveBlob(
  wire: Wire,
  repository: RepositoryContents | undefined,
  digest: string,
  quirks: Quirks,
): Reply {
  const { method } = wire;
  if (!isDigest(digest)) return failure(400, 'DIGEST_INVALID');
  const blob = repository?.blobs.get(digest);
  if (method === 'HEAD' && quirks.headBlob !== undefined) return empty(quirks.headBlob);
  if (method === 'HEAD' && quirks.headBlobLies === true) return empty(200, { 'content-length': '1' });
  if (blob === undefined)
    return quirks.missingIsForbidden === true ? failure(403, 'DENIED') : failure(404, 'BLOB_UNKNOWN');
  if (quirks.redirectBlobs !== undefined) {
    return empty(quirks.redirectStatus ?? 307, { location: `${quirks.redirectBlobs}${wire.path}` });
  }
  return blobReply(wire, blob, digest, quirks);
}

/** The bytes of a blob, or of the range that is asked for. */
function blobReply(wire: Wire, blob: StoredBlob, digest: string, quirks: Quirks): Reply {
  const headers = {
    'content-type': 'application/octet-stream',
    ...digestHeader(wire, digest, quirks),
    ...(quirks.contentEncoding === undefined ? {} : { 'content-encoding': quirks.contentEncoding }),
    ...(quirks.ranges === 'ignored' ? {} : { 'accept-ranges': 'bytes' }),
  };
  const range = /^bytes=(\d+)-(\d*)$/.exec(String(wire.headers.range ?? ''));
  if (range === null || quirks.ranges === 'ignored') return wholeReply(wire, blob, headers, quirks);
  if (quirks.ranges === 'refused') return { ...empty(416), headers: { 'content-range': `bytes */${blob.size}` } };
  const start = Number(range[1]) + (quirks.ranges === 'shifted' ? 1 : 0);
  const end = range[2] === '' || quirks.ranges === 'to-the-end' ? blob.size : Math.min(blob.size, Number(range[2]) + 1);
  if (start >= blob.size || start > end) return { ...empty(416), headers: { 'content-range': `bytes */${blob.size}` } };
  const said = quirks.ranges === 'mislabelled' ? start + 1 : start;
  const total = quirks.ranges === 'of-another' ? blob.size + 1 : blob.size;
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${said}-${end - 1}/${total}` },
    body: blob.read(start, end),
    length: end - start,
  };
}

function wholeReply(
  wire: Wire,
  blob: StoredBlob,
  headers: Readonly<Record<string, string>>,
  { extraBytes = 0, headWithoutLength = false, staleCache = false }: Quirks,
): Reply {
  const length = blob.size + extraBytes;
  const isStale = staleCache && !/no-cache/.test(String(wire.headers['cache-control'] ?? ''));
  const bytes = isStale ? [Buffer.alloc(blob.size)] : blob.read(0, Math.min(blob.size, length));
  const body = extraBytes > 0 ? [...bytes, Buffer.alloc(extraBytes)] : bytes;
  const hidesLength = wire.method === 'HEAD' && headWithoutLength;
  return { status: 200, headers, body, length: hidesLength ? undefined : length };
}

/** `Docker-Content-Digest`, as the quirk has it. */
export function digestHeader(wire: Wire, digest: string, { digestHeader: quirk }: Quirks): Record<string, string> {
  if (quirk === 'never' || (quirk === 'head-only' && wire.method !== 'HEAD')) return {};
  return { 'docker-content-digest': typeof quirk === 'object' ? quirk.is : digest };
}
