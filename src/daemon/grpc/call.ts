import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { DrayError, type ErrorContext, is, withContext } from '../../errors.ts';
import { decodeMessage, encodeFrame } from './frames.ts';
import { Incoming } from './incoming.ts';
import { freshMemory, rotatingMemory } from './memory.ts';
import { write } from './outgoing.ts';
import { errorOf, type Status, statusIn } from './status.ts';

/** A method of a service, as the generated code describes it. */
export interface Method<I extends DescMessage, O extends DescMessage> {
  readonly name: string;
  readonly parent: { readonly typeName: string };
  readonly input: I;
  readonly output: O;
}

/** How a call is watched over. */
export interface CallLimits {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for each answer; without end if not said. */
  readonly timeout?: number | undefined;
  /** An answer, with the bytes in it, may be good only until the next but one is asked for: its memory is used again. */
  readonly transient?: boolean | undefined;
}

/** A call under way: messages out, messages in. It is over when {@link next} gave undefined or threw, or it was cancelled. */
export class Call<I extends DescMessage, O extends DescMessage> {
  readonly #stream: ClientHttp2Stream;
  readonly #method: Method<I, O>;
  readonly #limits: CallLimits;
  readonly #context: ErrorContext;
  readonly #incoming: Incoming;
  readonly #closed: Promise<void>;
  readonly #abort: () => void;
  #status: Status | undefined;
  #cutOff: DrayError | undefined;

  constructor(stream: ClientHttp2Stream, method: Method<I, O>, limits: CallLimits, context: ErrorContext) {
    this.#stream = stream;
    this.#method = method;
    this.#limits = limits;
    this.#context = { ...context, request: `${method.parent.typeName}/${method.name}` };
    const memory = limits.transient === true ? rotatingMemory() : freshMemory;
    this.#incoming = new Incoming(stream, (error) => this.#over(error), memory);
    this.#abort = () => this.#fail(limits.signal?.reason);
    this.#closed = new Promise((resolve) => stream.once('close', resolve));
    this.#listen(stream);
    limits.signal?.addEventListener('abort', this.#abort);
  }

  #listen(stream: ClientHttp2Stream): void {
    stream.on('response', (headers) => this.#start(headers));
    stream.on('trailers', (headers) => {
      this.#status = statusIn(headers);
      if (stream.readableEnded) this.#end();
    });
    // Told by the close that follows.
    stream.on('error', () => {});
    stream.on('close', () => {
      this.#limits.signal?.removeEventListener('abort', this.#abort);
      this.#end();
    });
  }

  /** Sends a message; resolves when there is room for another one. That it could not be sent is said by {@link next}. */
  async send(message: MessageInitShape<I>): Promise<void> {
    await write(this.#stream, encodeFrame(this.#method.input, message));
  }

  /** Says that nothing more is sent. */
  finish(): void {
    if (!this.#stream.writableEnded) this.#stream.end();
  }

  /**
   * The next answer; undefined after the last one of a call that succeeded.
   * @throws DrayError of the kind that the peer gave; `unavailable` when the connection broke; `deadline-exceeded`.
   */
  async next(): Promise<MessageShape<O> | undefined> {
    const timer = this.#deadline();
    try {
      const bytes = await this.#incoming.next();
      return bytes === undefined ? undefined : this.#decode(bytes);
    } finally {
      clearTimeout(timer);
    }
  }

  #decode(bytes: Uint8Array): MessageShape<O> {
    try {
      return decodeMessage(this.#method.output, bytes);
    } catch (error) {
      throw withContext(error, this.#context);
    }
  }

  /**
   * The only answer.
   * @throws DrayError `internal` when there is none, or more; as {@link next}.
   */
  async only(): Promise<MessageShape<O>> {
    const answer = await this.next();
    if (answer !== undefined && (await this.next()) === undefined) return answer;
    const answered = answer === undefined ? 'with nothing' : 'more than once';
    throw new DrayError('internal', `${this.#method.name} was answered ${answered}`, this.#context);
  }

  #deadline(): NodeJS.Timeout | undefined {
    const { timeout } = this.#limits;
    if (timeout === undefined || !Number.isFinite(timeout)) return undefined;
    return setTimeout(() => {
      const message = `no answer within ${timeout / 1000} seconds`;
      this.#fail(
        new DrayError('deadline-exceeded', message, { ...this.#context, hint: 'see whether the daemon works' }),
      );
    }, timeout);
  }

  /** Gives the call up; the peer is told. Resolves when nothing of it is left. */
  async cancel(): Promise<void> {
    this.#fail(new DrayError('canceled', 'the call was given up', this.#context));
    await this.#closed;
  }

  #start(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    const isGrpc = headers['content-type']?.startsWith('application/grpc') === true;
    if (headers[':status'] === 200 && isGrpc) this.#status = statusIn(headers);
    else
      this.#fail(
        new DrayError('unavailable', `the peer answered with HTTP ${headers[':status']}, not gRPC`, this.#context),
      );
  }

  #over(error: unknown): void {
    // A message that is cut off counts when the peer says that all went well; otherwise what it says does, or that it has gone.
    if (is(error, 'internal')) this.#cutOff = error;
    else if (error instanceof DrayError) this.#fail(new DrayError(error.kind, error.message, this.#context));
    if (this.#status !== undefined) this.#end();
  }

  #end(): void {
    this.finish();
    this.#incoming.finish(this.#failure());
  }

  #failure(): DrayError | undefined {
    if (this.#status === undefined) return this.#broken();
    if (this.#status.code !== 0) return errorOf(this.#status, this.#context);
    return this.#cutOff && new DrayError(this.#cutOff.kind, this.#cutOff.message, this.#context);
  }

  #fail(error: unknown): void {
    this.#incoming.finish(error);
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #broken(): DrayError {
    const refused = this.#stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
    const message = refused ? 'the peer takes no more calls' : 'the connection broke before the call had ended';
    return new DrayError('unavailable', message, {
      ...this.#context,
      hint: 'see whether the daemon runs, then try again',
    });
  }
}
