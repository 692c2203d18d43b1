import type { MessageInitShape } from '@bufbuild/protobuf';
import { unlessAborted } from '../../content/abort.ts';
import type { AbortableOptions, Labels } from '../../content/store.ts';
import { DrayError } from '../../errors.ts';
import { type Digest, parseDigest } from '../../spec/digest.ts';
import type { Timestamp } from '../../spec/timestamp.ts';
import {
  Content,
  WriteAction,
  type WriteContentRequestSchema,
  type WriteContentResponse,
  type WriteContentResponseSchema,
} from '../gen/content_pb.ts';
import type { Call } from '../grpc/call.ts';
import { fromSize, fromTimestamp } from '../messages.ts';
import type { Session } from './session.ts';

/** Where an ingest stands, by the last answer that told it. */
export interface Position {
  readonly offset: number;
  readonly total: number;
  readonly digest: Digest;
  readonly startedAt: Timestamp;
  readonly updatedAt: Timestamp;
}

/** What an ingest is opened with. */
export interface Opening extends AbortableOptions {
  readonly ref: string;
  readonly total: number;
  readonly expected: string;
  readonly lease: string | undefined;
}

/** What a commit says. */
export interface Commitment {
  readonly size: number;
  readonly digest: string;
  readonly labels: Labels;
}

type Request = MessageInitShape<typeof WriteContentRequestSchema>;

type Stream = Call<typeof WriteContentRequestSchema, typeof WriteContentResponseSchema>;

/**
 * A stream of `Content.Write`: one answer to each question, in the order of the questions, which need not wait for each other. The
 * ingest stays open as long as the stream.
 */
export class WriteCall {
  readonly #call: Stream;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(call: Stream) {
    this.#call = call;
  }

  /** Opens an ingest; the lock is there when this resolves. @throws DrayError of the daemon. */
  static async open(
    session: Session,
    { ref, total, expected, lease, signal }: Opening,
  ): Promise<{ call: WriteCall; position: Position }> {
    // The daemon may have to read what is there.
    const write = new WriteCall(await session.begin(Content.method.write, { lease, slow: true }));
    try {
      const request = { action: WriteAction.STAT, ref, total: BigInt(total), expected };
      return { call: write, position: positionOf(await unlessAborted(write.#ask(request), signal)) };
    } catch (error) {
      await write.cancel();
      throw error;
    }
  }

  async status(): Promise<Position> {
    return positionOf(await this.#ask({ action: WriteAction.STAT }));
  }

  /** Sends bytes that begin at `offset`; with none, and an offset of 0, all that was there is dropped. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    const answer = await this.#ask({ action: WriteAction.WRITE, offset: BigInt(offset), data });
    const reached = fromSize(answer.offset);
    if (reached === offset + data.byteLength) return;
    throw new DrayError('data-loss', `the daemon has ${reached} bytes, not ${offset + data.byteLength}`, {
      side: 'store',
      hint: 'try again, which goes on where it stands',
    });
  }

  /** Ends the ingest with a blob, whose digest is returned. */
  async commit({ size, digest, labels }: Commitment): Promise<Digest> {
    const [total, offset] = [BigInt(size), BigInt(size)];
    const request = { action: WriteAction.COMMIT, offset, total, expected: digest, labels };
    return parseDigest((await this.#ask(request)).digest);
  }

  async #ask(request: Request): Promise<WriteContentResponse> {
    const sent = this.#call.send(request);
    const next = this.#last.then(() => this.#call.next());
    // Who comes next is told of a failure by the call.
    this.#last = next.catch(() => {});
    const [answer] = await Promise.all([next, sent]);
    if (answer !== undefined) return answer;
    throw new DrayError('unavailable', 'the daemon ended the ingest', { side: 'store', hint: 'try again' });
  }

  /** Lets go of the ingest; resolves when the daemon has let go of it as well. */
  async close(): Promise<void> {
    this.#call.finish();
    try {
      // A daemon repeats its last answer at the end, once; nobody waits for one that goes on.
      if ((await this.#call.next()) !== undefined) await this.#call.next();
    } finally {
      await this.cancel();
    }
  }

  async cancel(): Promise<void> {
    await this.#call.cancel();
  }
}

function positionOf({ offset, total, digest, startedAt, updatedAt }: WriteContentResponse): Position {
  return {
    offset: fromSize(offset),
    total: fromSize(total),
    digest: parseDigest(digest),
    startedAt: fromTimestamp(startedAt),
    updatedAt: fromTimestamp(updatedAt),
  };
}
