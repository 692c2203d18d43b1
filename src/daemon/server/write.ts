import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ContentStore, Info, Writer } from '../../content/store.ts';
import { DrayError } from '../../errors.ts';
import { type Digest, emptyDigest, parseDigest } from '../../spec/digest.ts';
import { Timestamp } from '../../spec/timestamp.ts';
import { WriteAction, type WriteContentRequest, type WriteContentResponseSchema } from '../gen/content_pb.ts';
import type { ServerCall } from '../grpc/service.ts';
import { fromSize, toTimestamp } from '../messages.ts';
import { leaseOf } from './tenant.ts';

type Answer = MessageInitShape<typeof WriteContentResponseSchema>;

/** How a stream of writes is answered. */
export interface WriteStreamOptions {
  readonly call: ServerCall;
  /** Labels what is committed as a root of collections. */
  readonly keep: boolean;
}

const rootLabel = 'containerd.io/gc.root';

/**
 * Answers one stream of `Content.Write`: the first message opens an ingest, which stays open until the stream ends and can be
 * resumed after that; each message is answered with where the ingest stands then; a commit ends the stream.
 */
export async function* write(
  content: ContentStore,
  requests: AsyncIterable<WriteContentRequest>,
  { call, keep }: WriteStreamOptions,
): AsyncGenerator<Answer> {
  let session: WriteSession | undefined;
  try {
    for await (const request of requests) {
      session ??= await WriteSession.open(content, request, call);
      const answer = await session.answer(request, keep);
      yield answer;
      if (request.action === WriteAction.COMMIT) return;
    }
  } finally {
    await session?.[Symbol.asyncDispose]();
  }
}

class WriteSession implements AsyncDisposable {
  readonly #writer: Writer;
  readonly #call: ServerCall;
  #total = 0;
  #expected: Digest | undefined;

  private constructor(writer: Writer, call: ServerCall) {
    this.#writer = writer;
    this.#call = call;
  }

  static async open(content: ContentStore, request: WriteContentRequest, call: ServerCall): Promise<WriteSession> {
    const { ref, total, expected } = request;
    if (ref === '') throw new DrayError('invalid-argument', 'first message must have a reference');
    const size = total > 0n ? fromSize(total) : undefined;
    const target = expected === '' ? undefined : { digest: parseDigest(expected), size };
    const writer = await content.writer({ ref, target, size, lease: leaseOf(call), signal: call.signal });
    return new WriteSession(writer, call);
  }

  async answer(request: WriteContentRequest, keep: boolean): Promise<Answer> {
    // What was announced once holds until something else is.
    if (request.total > 0n) this.#total = fromSize(request.total);
    if (request.expected !== '') this.#expected = parseDigest(request.expected);
    switch (request.action) {
      case WriteAction.STAT:
        return await this.#status(request.action);
      case WriteAction.WRITE:
        await this.#append(request);
        return await this.#status(request.action);
      case WriteAction.COMMIT: {
        await this.#append(request);
        return await this.#commit(request, keep);
      }
      default:
        throw new DrayError('not-implemented', `unknown action ${request.action} of a write`);
    }
  }

  async #append({ action, offset, data }: WriteContentRequest): Promise<void> {
    const { offset: current } = await this.#writer.status();
    if (offset !== 0n && offset !== BigInt(current)) {
      throw new DrayError('out-of-range', `write @${offset} must occur at current offset ${current}`);
    }
    if (offset === 0n && current > 0) {
      // Not saying an offset and saying 0 are the same here. Who commits like that has rather forgotten it than wants an empty blob.
      const forgotten = action === WriteAction.COMMIT && data.byteLength === 0 && this.#expected !== emptyDigest();
      if (forgotten) throw new DrayError('out-of-range', `commit must occur at current offset ${current}, not 0`);
      await this.#writer.truncate(0);
    }
    if (data.byteLength > 0) await this.#writer.write(data, { signal: this.#call.signal });
  }

  async #status(action: WriteAction): Promise<Answer> {
    const [status, digest] = [await this.#writer.status(), await this.#writer.digest()];
    return {
      action,
      startedAt: toTimestamp(status.startedAt),
      updatedAt: toTimestamp(status.updatedAt),
      offset: BigInt(status.offset),
      total: BigInt(this.#total === 0 ? (status.total ?? 0) : this.#total),
      digest,
    };
  }

  async #commit({ action, labels }: WriteContentRequest, keep: boolean): Promise<Answer> {
    const { startedAt } = await this.#writer.status();
    const info: Info = await this.#writer.commit({
      size: this.#total === 0 ? undefined : this.#total,
      digest: this.#expected,
      labels: { ...labels, ...(keep ? { [rootLabel]: `${Timestamp.now()}` } : {}) },
      signal: this.#call.signal,
    });
    return {
      action,
      startedAt: toTimestamp(startedAt),
      updatedAt: toTimestamp(info.updatedAt),
      offset: BigInt(info.size),
      total: BigInt(info.size),
      digest: info.digest,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }
}
