import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Info } from '../../content/store.ts';
import { DrayError, ifFound } from '../../errors.ts';
import { parseDigest } from '../../spec/digest.ts';
import { Content, type ReadContentRequest, type ReadContentResponseSchema } from '../gen/content_pb.ts';
import { type Routes, routesOf, type ServerCall } from '../grpc/service.ts';
import { fromSize, toInfo, toStatus } from '../messages.ts';
import type { OpenReaders } from './open-readers.ts';
import type { Pieces } from './pieces.ts';
import { namespaceOf, servicesFor, type Tenants } from './tenant.ts';
import { write } from './write.ts';

/** How the content service behaves. */
export interface ContentServiceOptions extends Tenants {
  readonly readers: OpenReaders;
  /**
   * For a containerd that keeps its content here: deleting or aborting what is not there succeeds, since a failure would end its
   * collection, and what it commits is kept until it says otherwise.
   */
  readonly plugin: boolean;
}

/** The most entries in one message of a list. */
const batchSize = 100;

/** The most bytes in one message of a read. */
const chunkSize = 1024 * 1024;

/** `containerd.services.content.v1.Content` over a store. */
export function contentService(options: ContentServiceOptions): Routes {
  const contentFor = (call: ServerCall) => servicesFor(options, call).content;
  const unlessMissing = (call: Promise<void>): Promise<void> => (options.plugin ? ifFound(call) : call);
  return routesOf(Content, {
    async info({ digest }, call) {
      return { info: toInfo(await contentFor(call).info(parseDigest(digest), call)) };
    },
    async update({ info, updateMask }, call) {
      const change = { digest: parseDigest(info?.digest ?? ''), labels: info?.labels ?? {} };
      return { info: toInfo(await contentFor(call).update(change, ...(updateMask?.paths ?? []))) };
    },
    async *list({ filters }, call) {
      for await (const batch of batches(contentFor(call).walk(...filters))) yield { info: batch.map(toInfo) };
    },
    async delete({ digest }, call) {
      await unlessMissing(contentFor(call).delete(parseDigest(digest), call));
      // Only now: until then somebody may have read ahead once more.
      options.readers.forget({ namespace: namespaceOf(options, call), digest });
      return {};
    },
    read: (request, call) => read(options, request, call),
    async status({ ref }, call) {
      return { status: toStatus(await contentFor(call).status(ref, call)) };
    },
    async listStatuses({ filters }, call) {
      return { statuses: (await Array.fromAsync(contentFor(call).statuses(...filters))).map(toStatus) };
    },
    write: (requests, call) => write(contentFor(call), requests, { call, keep: options.plugin }),
    async abort({ ref }, call) {
      await unlessMissing(contentFor(call).abort(ref, call));
      return {};
    },
  });
}

async function* read(
  options: ContentServiceOptions,
  { digest, offset, size }: ReadContentRequest,
  call: ServerCall,
): AsyncGenerator<MessageInitShape<typeof ReadContentResponseSchema>> {
  const blob = { namespace: namespaceOf(options, call), digest };
  const ahead = options.readers.ahead(blob, Number(offset), Number(size));
  if (ahead !== undefined) {
    yield { offset: 0n, data: ahead };
    return;
  }
  const { namespace, content } = servicesFor(options, call);
  const info = await content.info(parseDigest(digest), call);
  const range = rangeOf(info, offset, size);
  if (range.length === 0) return;
  let position = 0;
  const open = { namespace, digest: info.digest };
  for await (const data of options.readers.with(content, open, (blob) => chunks(blob, range, call))) {
    yield { offset: BigInt(position), data };
    position += data.byteLength;
  }
}

async function* batches<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

interface Range {
  readonly offset: number;
  readonly length: number;
}

// A negative offset is the beginning; a size that is not positive or reaches beyond the end means to the end.
function rangeOf({ digest, size: whole }: Info, from: bigint, size: bigint): Range {
  const offset = from < 0n ? 0 : fromSize(from);
  if (offset > whole) {
    throw new DrayError('out-of-range', `${digest} has ${whole} bytes, so nothing can be read from ${offset}`);
  }
  const rest = whole - offset;
  return { offset, length: size <= 0n || size > BigInt(rest) ? rest : Number(size) };
}

async function* chunks(blob: Pieces, range: Range, { signal }: ServerCall): AsyncGenerator<Uint8Array> {
  const { offset, length } = range;
  if (length < blob.reader.size && length <= chunkSize) {
    yield await blob.piece(offset, length, { signal });
    return;
  }
  for await (const chunk of blob.reader.stream({ ...range, signal }))
    for (let at = 0; at < chunk.byteLength; at += chunkSize) yield chunk.subarray(at, at + chunkSize);
}
