import { once } from 'node:events';
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { unlessAborted } from '../../content/abort.ts';
import { codeOf, DrayError, type ErrorContext } from '../../errors.ts';
import { Call, type CallLimits, type Method } from './call.ts';
import { flowWindow, sessionMemory } from './windows.ts';

/** How a call is made. */
export interface CallOptions extends CallLimits {
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** How a channel is made. */
export interface ChannelOptions {
  /** The path of a unix socket, or the name of a pipe of Windows. */
  readonly path: string;
  /** Milliseconds for the peer to take the connection. */
  readonly connectTimeout?: number | undefined;
}

const connectMilliseconds = 10_000;

/** Calls to a gRPC server over one connection, which is made again when it was lost. Whoever made the channel closes it. */
export class Channel implements AsyncDisposable {
  readonly #path: string;
  readonly #timeout: number;
  #session: Promise<ClientHttp2Session> | undefined;
  #closed = false;

  constructor({ path, connectTimeout = connectMilliseconds }: ChannelOptions) {
    this.#path = path;
    this.#timeout = connectTimeout;
  }

  /** Where the peer listens. */
  get path(): string {
    return this.#path;
  }

  /** Context of every error. */
  get context(): ErrorContext {
    return { side: 'store', path: this.#path };
  }

  /**
   * Makes sure that there is a connection.
   * @throws DrayError `unavailable` when nobody listens; `permission-denied`; `deadline-exceeded` when nobody answers.
   */
  async connect({ signal }: Pick<CallLimits, 'signal'> = {}): Promise<void> {
    await this.#connected(signal);
  }

  /** Begins a call. @throws as {@link connect}. */
  async open<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    { metadata = {}, ...limits }: CallOptions = {},
  ): Promise<Call<I, O>> {
    const session = await this.#connected(limits.signal);
    limits.signal?.throwIfAborted();
    const headers: OutgoingHttpHeaders = {
      ':method': 'POST',
      ':path': `/${method.parent.typeName}/${method.name}`,
      te: 'trailers',
      'content-type': 'application/grpc',
      'user-agent': 'dray',
      ...metadata,
    };
    try {
      return new Call(session.request(headers, { endStream: false }), method, limits, this.context);
    } catch (error) {
      throw new DrayError('unavailable', `cannot call ${method.name}: ${(error as Error).message}`, {
        ...this.context,
        cause: error,
      });
    }
  }

  /** One message there, one back. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const call = await this.open(method, options);
    try {
      await call.send(message);
      call.finish();
      return await call.only();
    } catch (error) {
      await call.cancel();
      throw error;
    }
  }

  /** One message there, any number back. Who stops reading cancels the call. */
  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>> {
    const call = await this.open(method, options);
    try {
      await call.send(message);
      call.finish();
      for (let answer = await call.next(); answer !== undefined; answer = await call.next()) yield answer;
    } finally {
      await call.cancel();
    }
  }

  async #connected(signal: AbortSignal | undefined): Promise<ClientHttp2Session> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#closed)
        throw new DrayError('failed-precondition', 'the connection to the daemon is closed', this.context);
      this.#session ??= this.#connect();
      const current = this.#session;
      const session = await unlessAborted(current, signal).catch((error: unknown) => {
        if (!signal?.aborted) this.#forget(current);
        throw error;
      });
      if (!session.closed && !session.destroyed) return session;
      this.#forget(current);
    }
  }

  #forget(session: Promise<ClientHttp2Session>): void {
    if (this.#session === session) this.#session = undefined;
  }

  async #connect(): Promise<ClientHttp2Session> {
    const deadline = AbortSignal.timeout(this.#timeout);
    const socket = connectSocket(this.#path);
    try {
      await once(socket, 'connect', { signal: deadline });
      return await openSession(socket, deadline);
    } catch (error) {
      socket.destroy();
      throw this.#unreachable(error, deadline);
    }
  }

  #unreachable(error: unknown, deadline: AbortSignal): DrayError {
    const { path } = this.context;
    if (deadline.aborted) {
      const message = `nobody answers at ${path} within ${this.#timeout / 1000} seconds`;
      return new DrayError('deadline-exceeded', message, { ...this.context, hint: 'see whether the daemon works' });
    }
    const reason = reasons[codeOf(error) ?? ''] ?? { kind: 'unavailable', what: (error as Error).message };
    return new DrayError(reason.kind, `cannot connect to ${path}: ${reason.what}`, {
      ...this.context,
      hint: reason.hint ?? 'see whether the daemon runs, and whether this is its socket',
      cause: error,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const session = await this.#session?.catch(() => undefined);
    if (session === undefined || session.destroyed) return;
    const closed = once(session, 'close');
    session.destroy();
    await closed;
  }
}

interface Unreachable {
  readonly kind: 'unavailable' | 'permission-denied';
  readonly what: string;
  readonly hint?: string;
}

const forbidden: Unreachable = {
  kind: 'permission-denied',
  what: 'permission denied',
  hint: 'the socket of a daemon is often for root alone',
};

const reasons: Readonly<Record<string, Unreachable>> = {
  ENOENT: { kind: 'unavailable', what: 'there is no such socket' },
  ECONNREFUSED: { kind: 'unavailable', what: 'nobody listens there' },
  EACCES: forbidden,
  EINVAL: { kind: 'unavailable', what: 'the path is too long', hint: 'that of a socket may have about 100 bytes' },
  EPERM: forbidden,
};

// The settings of the peer are the first sign that it speaks HTTP/2.
async function openSession(socket: Socket, signal: AbortSignal): Promise<ClientHttp2Session> {
  const session = connect('http://localhost', {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: flowWindow },
    maxSessionMemory: sessionMemory,
  });
  session.on('error', () => session.destroy());
  const closed = new AbortController();
  session.once('close', () => closed.abort(new Error('the peer closed the connection')));
  try {
    await once(session, 'remoteSettings', { signal: AbortSignal.any([signal, closed.signal]) });
  } catch (error) {
    session.destroy();
    throw closed.signal.aborted ? closed.signal.reason : error;
  }
  session.setLocalWindowSize(flowWindow);
  return session;
}
