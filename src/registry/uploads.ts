import type { OutgoingHttpHeaders } from 'node:http';
import { Gathered } from '../content/gathered.ts';
import type { Writer } from '../content/store.ts';
import { because, is } from '../errors.ts';
import { algorithms, type Digest } from '../spec/digest.ts';
import { blobUnknown } from './blobs.ts';
import { announcedLength, receive } from './body.ts';
import { refusal } from './codes.ts';
import type { Exchange } from './exchange.ts';
import { mountBlob } from './mounts.ts';
import { type ByteRange, parseChunkRange } from './ranges.ts';
import { replyEmpty } from './reply.ts';
import type { Repository } from './repository.ts';
import { digestFrom } from './route.ts';
import type { RepositoryRequest } from './state.ts';

/** A request that is about one upload. */
export interface UploadRequest extends RepositoryRequest {
  readonly id: string;
}

/**
 * `POST` of an upload (distribution-spec, Pushing blobs): a session, or with `mount` a blob that another repository has, or
 * with `digest` the whole blob at once.
 */
export async function startUpload(request: RepositoryRequest): Promise<void> {
  const { exchange, state, repository } = request;
  const { query } = exchange;
  const mount = query.get('mount');
  if (mount !== null && (await mountBlob(request, digestFrom(mount)))) {
    replyCreated(exchange, repository, digestFrom(mount));
    return;
  }
  checkAlgorithm(query.get('digest-algorithm'));
  const digest = mount === null ? query.get('digest') : null;
  const expected = digest === null ? undefined : digestFrom(digest);
  const upload = { ...request, id: await state.sessions.start(repository.name.full) };
  if (expected === undefined) replySession(upload, 0, 202);
  else await uploadAtOnce(upload, expected);
}

async function uploadAtOnce(request: UploadRequest, digest: Digest): Promise<void> {
  try {
    await finish(request, digest);
  } catch (error) {
    // Nobody was told of the session, so nobody will go on with it.
    await deleteSession(request).catch(() => {});
    throw error;
  }
}

/** `GET` of an upload: how much of it is there. */
export async function getUpload(request: UploadRequest): Promise<void> {
  const { state, repository, id } = request;
  replySession(request, await state.sessions.offset(repository.name.full, id), 204);
}

/** `PATCH` of an upload: the next chunk, or without `Content-Range` all that comes. */
export async function patchUpload(request: UploadRequest): Promise<void> {
  const { state, repository, id } = request;
  const offset = await state.sessions.use(repository.name.full, id, async (writer, stop) => {
    await appendBody(request, writer, stop);
    return (await writer.status()).offset;
  });
  replySession(request, offset, 202);
}

/** `PUT` of an upload: its end, with or without a last chunk. */
export async function putUpload(request: UploadRequest): Promise<void> {
  await finish(request, digestFrom(request.exchange.query.get('digest') ?? ''));
}

/** `DELETE` of an upload: it ends, and its bytes go. */
export async function deleteUpload(request: UploadRequest): Promise<void> {
  await deleteSession(request);
  replyEmpty(request.exchange, 204);
}

async function deleteSession({ state, repository, id }: UploadRequest): Promise<void> {
  await state.sessions.cancel(repository.name.full, id);
}

async function finish(request: UploadRequest, digest: Digest): Promise<void> {
  const { exchange, state, repository, id } = request;
  const { full } = repository.name;
  // Asked for before the bytes come, so that it does not have to be waited for after them.
  const held = state.holds.arriving(full, digest);
  held.catch(() => {});
  await state.sessions.use(full, id, async (writer, stop) => {
    await appendBody(request, writer, stop);
    await held;
    await commit(request, digest, writer);
  });
  replyCreated(exchange, repository, digest);
}

async function commit({ state, repository, id }: UploadRequest, digest: Digest, writer: Writer): Promise<void> {
  const { full } = repository.name;
  try {
    await writer.commit({ digest, labels: repository.blobLabels });
    await state.sessions.finish(full, id);
  } catch (error) {
    if (is(error, 'already-exists')) {
      await state.sessions.finish(full, id);
      if (!(await repository.addBlob(digest))) throw blobUnknown(digest);
    } else if (because(error, 'digest-mismatch')) {
      // What is there is not what was meant, and nobody can say which part of it is wrong.
      await state.sessions.drop(full, id);
      throw refusal('DIGEST_INVALID', `the content does not have the digest ${digest}`, { cause: error });
    } else throw error;
  }
}

async function appendBody(request: UploadRequest, writer: Writer, stop: AbortSignal): Promise<void> {
  const { exchange, state } = request;
  const { offset } = await writer.status();
  const range = chunkRange(exchange);
  if (range !== undefined && range.first !== offset) {
    describeSession(request, offset);
    throw refusal('RANGE_INVALID', `the upload has ${offset} bytes, so no chunk can start at ${range.first}`);
  }
  const length = range === undefined ? undefined : range.last - range.first + 1;
  const limit = Math.min(length ?? Number.POSITIVE_INFINITY, state.limits.blob - offset);
  const announced = announcedLength(exchange) ?? 0;
  if (announced > state.limits.blob - offset) throw tooLarge(state.limits.blob);
  const signal = AbortSignal.any([exchange.signal, stop]);
  const batchSize = Math.min(largestBatch, Math.ceil(allBatches / state.sessions.open));
  const received = await append(writer, receive(exchange, signal), { limit, batchSize });
  if (received > limit && limit !== length) throw tooLarge(state.limits.blob);
  if (length !== undefined && received !== length) {
    describeSession(request, offset + Math.min(received, length));
    throw refusal('SIZE_INVALID', `the chunk has not the ${length} bytes that its Content-Range says`);
  }
}

function chunkRange(exchange: Exchange): ByteRange | undefined {
  const header = exchange.request.headers['content-range'];
  if (header === undefined) return undefined;
  const range = parseChunkRange(header);
  if (range === undefined) throw refusal('RANGE_INVALID', 'malformed Content-Range', { status: 400 });
  const length = announcedLength(exchange);
  if (length === undefined || length === range.last - range.first + 1) return range;
  throw refusal('SIZE_INVALID', 'Content-Length and Content-Range do not agree');
}

/** The most bytes that are gathered for one write. */
const largestBatch = 1024 * 1024;

/** Bytes that all uploads together gather, or little more; each gathers less when they are many. */
const allBatches = 32 * 1024 * 1024;

/** What Node reads of a socket at once, which may come when the batch is all but full. */
const largestPiece = 64 * 1024;

/**
 * Appends a stream in large writes, reading on while one is under way. What came is written even when the stream ends badly,
 * so that an upload can go on from it. Stops behind `limit` bytes; returns how many there were, more than the limit when
 * something was left out.
 */
async function append(
  writer: Writer,
  stream: AsyncIterable<Buffer>,
  { limit, batchSize }: { readonly limit: number; readonly batchSize: number },
): Promise<number> {
  const batch = new Gathered(batchSize + largestPiece);
  let total = 0;
  let writing: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    await writing;
    if (batch.size === 0) return;
    writing = writer.write(batch.take());
    // Looked at by the next flush or at the end; until then it is nobody's unhandled rejection.
    writing.catch(() => {});
  };
  try {
    for await (const chunk of stream) {
      const fitting = chunk.subarray(0, limit - total);
      total += chunk.byteLength;
      batch.add(fitting);
      if (total > limit) break;
      if (batch.size >= batchSize) await flush();
    }
  } finally {
    await flush();
    await writing;
  }
  return total;
}

function tooLarge(limit: number): Error {
  return refusal('SIZE_INVALID', `a blob may have ${limit} bytes here`, { status: 413 });
}

function checkAlgorithm(name: string | null): void {
  if (name === null || algorithms.some((algorithm) => algorithm === name)) return;
  throw refusal('DIGEST_INVALID', `digest algorithm ${JSON.stringify(name.slice(0, 64))} is not supported`, {
    hint: `supported are ${algorithms.join(', ')}`,
  });
}

function replyCreated(exchange: Exchange, repository: Repository, digest: Digest): void {
  const location = `/v2/${repository.name.short}/blobs/${digest}`;
  replyEmpty(exchange, 201, { Location: location, 'Docker-Content-Digest': digest });
}

function replySession(request: UploadRequest, offset: number, status: number): void {
  describeSession(request, offset);
  replyEmpty(request.exchange, status);
}

function describeSession({ exchange: { response }, state, repository, id }: UploadRequest, offset: number): void {
  const headers: OutgoingHttpHeaders = {
    Location: `/v2/${repository.name.short}/blobs/uploads/${id}`,
    // An upload without a byte has no last one; 0-0 is what clients know for it.
    Range: `0-${Math.max(0, offset - 1)}`,
    'Docker-Upload-UUID': id,
  };
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value ?? '');
  const { chunkMinLength } = state.limits;
  if (chunkMinLength !== undefined) response.setHeader('OCI-Chunk-Min-Length', chunkMinLength);
}
