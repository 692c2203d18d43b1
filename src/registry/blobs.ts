import { randomUUID } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import { unlessAborted } from '../content/abort.ts';
import type { BlobReader } from '../content/store.ts';
import { sizeMismatch } from '../content/verified.ts';
import type { Digest } from '../spec/digest.ts';
import { mediaTypes } from '../spec/media-types.ts';
import { refusal } from './codes.ts';
import { type Exchange, isHead } from './exchange.ts';
import { type ByteRange, parseRanges, type RangeRequest } from './ranges.ts';
import { replyEmpty, replyStream } from './reply.ts';
import type { RegistryState, RepositoryRequest } from './state.ts';
import { upstreamFailed } from './upstream.ts';

/** `GET` and `HEAD` of a blob (distribution-spec, Pulling blobs), with ranges. */
export async function getBlob(request: RepositoryRequest, digest: Digest): Promise<void> {
  const { exchange, state, repository } = request;
  const blob = await repository.blob(digest);
  if (blob === undefined) {
    await getBlobUpstream(request, digest);
    return;
  }
  const headers = blobHeaders(digest);
  if (isHead(exchange)) await mention(request, digest);
  if (matches(exchange, digest)) {
    replyEmpty(exchange, 304, headers);
    return;
  }
  if (isHead(exchange)) {
    replyEmpty(exchange, 200, { ...headers, 'Content-Length': blob.size });
    return;
  }
  await using reader = await state.services.content.reader(blob, { signal: exchange.signal });
  await sendBlob(exchange, state, reader, headers);
}

async function getBlobUpstream({ exchange, state, repository }: RepositoryRequest, digest: Digest): Promise<void> {
  const { services, upstream } = state;
  if (!upstream?.serves(repository.name)) throw blobUnknown(digest);
  const described = isHead(exchange) ? await repository.described(digest) : undefined;
  const headers = blobHeaders(digest);
  if (described !== undefined) {
    replyEmpty(exchange, 200, { ...headers, 'Content-Length': described.size });
    return;
  }
  const { signal } = exchange;
  // Nothing may move on this connection while the upstream is slow.
  exchange.response.setTimeout(0);
  const fill = await upstream.blob(repository, digest);
  if (fill === undefined) throw blobUnknown(digest);
  try {
    if (exchange.request.headers.range === undefined) {
      const body = fill.follow({ signal });
      await unlessAborted(fill.started, signal);
      await replyStream(exchange, 200, { ...headers, 'Content-Length': fill.target.size }, () => body);
      return;
    }
    await unlessAborted(fill.done, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw upstreamFailed(error, repository.name.domain);
  }
  await using reader = await services.content.reader(fill.target, { signal });
  await sendBlob(exchange, state, reader, headers);
}

/** `DELETE` of a blob: it leaves the repository, and the store when nothing else keeps it. */
export async function deleteBlob({ exchange, state, repository }: RepositoryRequest, digest: Digest): Promise<void> {
  if (!(await repository.removeBlob(digest))) throw blobUnknown(digest);
  state.collection.wanted();
  replyEmpty(exchange, 202);
}

/** Headers of every answer that is about a blob that is there. */
export function blobHeaders(digest: Digest): OutgoingHttpHeaders {
  return {
    'Content-Type': mediaTypes.octetStream,
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'max-age=31536000, immutable',
  };
}

export function blobUnknown(digest: Digest): Error {
  return refusal('BLOB_UNKNOWN', `blob ${digest} is not in this repository`);
}

/** Whether the client has it already (`If-None-Match`). */
export function matches({ request }: Exchange, digest: Digest): boolean {
  const tags = request.headers['if-none-match']?.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags?.some((tag) => tag === '*' || tag === `"${digest}"`) ?? false;
}

// Who may push and has been told that a blob is here may leave it out and name it in a manifest.
async function mention({ exchange, state, repository }: RepositoryRequest, digest: Digest): Promise<void> {
  const access = { type: 'repository', name: repository.name.short, action: 'push' } as const;
  if (state.readOnly || !exchange.identity.allows(access)) return;
  const isNew = await state.holds.mentioned(repository.name.full, digest);
  if (isNew && (await repository.info(digest)) === undefined) throw blobUnknown(digest);
}

/** Sends an open blob, or the parts of it that the request asks for. */
async function sendBlob(
  exchange: Exchange,
  { reads }: RegistryState,
  reader: BlobReader,
  headers: OutgoingHttpHeaders,
): Promise<void> {
  const ranges = requestedRanges(exchange, reader);
  if (ranges === 'unsatisfiable') {
    exchange.response.setHeader('Content-Range', `bytes */${reader.size}`);
    throw refusal('RANGE_INVALID', `the blob has ${reader.size} bytes`);
  }
  const { signal } = exchange;
  if (ranges === 'all') {
    const length = { 'Content-Length': reader.size };
    await replyStream(exchange, 200, { ...headers, ...length }, () => reads.stream(reader, { signal }));
    return;
  }
  const [only, ...others] = ranges;
  if (only === undefined || others.length > 0) {
    await sendParts(exchange, reader, ranges, headers);
    return;
  }
  const length = only.last - only.first + 1;
  const part = { 'Content-Length': length, 'Content-Range': contentRange(only, reader.size) };
  const open = (): AsyncIterable<Uint8Array> =>
    length === reader.size ? reads.stream(reader, { signal }) : partOf(reader, only, signal);
  await replyStream(exchange, 206, { ...headers, ...part }, open);
}

/** Bytes of a part that are read at once: a client that does not go on reading keeps as much of the registry's memory. */
const pieceSize = 256 * 1024;

/** A part of an open blob. Each piece is good until the next one is asked for. */
async function* partOf(
  reader: BlobReader,
  { first, last }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(pieceSize, last - first + 1));
  for (let at = first; at <= last; ) {
    const piece = buffer.subarray(0, last - at + 1);
    const count = await reader.read(piece, at, { signal });
    at += count;
    if (count < piece.byteLength) throw sizeMismatch(reader.digest, reader.size, at, false);
    yield piece;
  }
}

function requestedRanges({ request }: Exchange, { digest, size }: BlobReader): RangeRequest {
  const condition = request.headers['if-range'];
  if (condition !== undefined && condition !== `"${digest}"`) return 'all';
  return parseRanges(request.headers.range, size);
}

// RFC 9110 section 14.6.
async function sendParts(
  exchange: Exchange,
  reader: BlobReader,
  ranges: readonly ByteRange[],
  headers: OutgoingHttpHeaders,
): Promise<void> {
  const boundary = randomUUID();
  const heads = ranges.map((range) =>
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${mediaTypes.octetStream}\r\nContent-Range: ${contentRange(range, reader.size)}\r\n\r\n`,
    ),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const bodies = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  const length = heads.reduce((sum, head) => sum + head.byteLength, bodies + tail.byteLength);
  const described = { 'Content-Type': `multipart/byteranges; boundary=${boundary}`, 'Content-Length': length };
  await replyStream(exchange, 206, { ...headers, ...described }, async function* () {
    for (const [index, range] of ranges.entries()) {
      yield heads[index] ?? tail;
      yield* partOf(reader, range, exchange.signal);
    }
    yield tail;
  });
}

function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`;
}
