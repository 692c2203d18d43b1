import { once } from 'node:events';
import {
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { DrayError } from '../../errors.ts';
import { listenAt } from '../../listen.ts';
import { encodeFrame } from './frames.ts';
import { Incoming } from './incoming.ts';
import { write } from './outgoing.ts';
import type { Answers, Route, Routes } from './service.ts';
import { statusOf, trailersOf } from './status.ts';
import { flowWindow, sessionMemory } from './windows.ts';

/** How a server listens. */
export interface GrpcServerOptions {
  /** The path of a unix socket, or the name of a pipe of Windows. */
  readonly path: string;
  readonly routes: Routes;
  /** Says why nothing answers to a path. */
  readonly whyAbsent?: ((path: string) => string) | undefined;
  /** Called for every call when it is over; `code` is gRPC's. */
  readonly onCall?: ((call: FinishedCall) => void) | undefined;
}

/** A call that is over. */
export interface FinishedCall {
  readonly method: string;
  readonly code: number;
  readonly milliseconds: number;
  /** Why it failed. */
  readonly error?: unknown;
}

/** Calls at once on one connection; a peer that wants more waits. */
const callsAtOnce = 10_000;

const unlimitedResets = 1_000_000_000;

/** How long a caller may take to end a call that is over. */
const lingerMilliseconds = 1000;

/**
 * Starts a gRPC server. Disposing it ends the calls under way.
 * @throws DrayError `unavailable` when somebody listens there; `permission-denied`.
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<AsyncDisposable> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer({
    settings: { initialWindowSize: flowWindow, maxConcurrentStreams: callsAtOnce },
    maxSessionMemory: sessionMemory,
    // containerd's clients cancel every read of a piece once they have the piece, thousands in a second.
    streamResetBurst: unlimitedResets,
    streamResetRate: unlimitedResets,
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.setLocalWindowSize(flowWindow);
  });
  // A peer that breaks the protocol loses its connection, and nobody else does.
  server.on('sessionError', () => {});
  server.on(
    'stream',
    (stream, headers, _flags, rawHeaders) => void answerCall(stream, headers, metadataOf(rawHeaders), options),
  );
  await listenAt(server, { path: options.path });
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      for (const session of sessions) session.destroy();
      if (server.listening) await once(server, 'close');
    },
  };
}

// One for all: that a caller goes is no failure, and with its stack it would take as long as a small call.
const callerGone: DrayError = Object.freeze(new DrayError('canceled', 'the caller has gone'));

async function answerCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  metadata: ReadonlyMap<string, string>,
  options: GrpcServerOptions,
): Promise<void> {
  const begun = performance.now();
  const gone = new AbortController();
  stream.on('error', () => {});

  const method = headers[':path'] ?? '';
  const incoming: Incoming = new Incoming(stream, (error) => incoming.finish(error));
  stream.on('close', () => {
    gone.abort(callerGone);
    incoming.finish(callerGone);
  });
  let failure: unknown;
  try {
    const route = routeOf(headers, options);
    await sendAnswers(stream, route, route.answer(incoming, { metadata, signal: gone.signal }));
    gone.signal.throwIfAborted();
  } catch (error) {
    failure = error;
  }
  incoming.finish();
  const status = failure === undefined ? { code: 0, message: '' } : statusOf(failure);
  end(stream, trailersOf(status));
  options.onCall?.({ method, code: status.code, milliseconds: performance.now() - begun, error: failure });
}

// As they came: of several values Node makes one, with commas, which a value may have itself.
function metadataOf(rawHeaders: readonly string[]): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  for (let at = rawHeaders.length - 2; at >= 0; at -= 2) metadata.set(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
  return metadata;
}

function routeOf(headers: IncomingHttpHeaders, { routes, whyAbsent }: GrpcServerOptions): Route {
  const { ':method': method, ':path': path = '', 'content-type': type } = headers;
  if (method !== 'POST' || !type?.startsWith('application/grpc'))
    throw new DrayError('not-implemented', 'only calls of gRPC are answered here');
  const route = routes.get(path);
  if (route !== undefined) return route;
  const shown = path.slice(0, 200);
  throw new DrayError('not-implemented', whyAbsent?.(shown) ?? `nobody answers ${shown}`);
}

async function sendAnswers(stream: ServerHttp2Stream, { output }: Route, answers: Answers): Promise<void> {
  // The next answer is looked for while one is on its way, so that an only one goes together with the end of the call.
  let room: Promise<void> | undefined;
  for await (const answer of answers) {
    const pieces = encodeFrame(output, answer);
    await room;
    if (stream.closed) return;
    if (!stream.headersSent) stream.respond(responseHeaders, { waitForTrailers: true });
    room = write(stream, pieces);
  }
}

const responseHeaders = { ':status': 200, 'content-type': 'application/grpc' };

function end(stream: ServerHttp2Stream, trailers: Record<string, string>): void {
  if (stream.closed || stream.destroyed) return;
  if (stream.headersSent) {
    stream.once('wantTrailers', () => {
      stream.sendTrailers(trailers);
      dismiss(stream);
    });
    stream.end();
  } else {
    stream.respond({ ...responseHeaders, ...trailers }, { endStream: true });
    dismiss(stream);
  }
}

// The caller may still be sending what nobody reads any more. It is cut off then, but not before the trailers are on their way: what
// was not sent when a stream is closed never is.
function dismiss(stream: ServerHttp2Stream): void {
  const close = (): void => void setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
  stream.resume();
  if (stream.state.remoteClose === 1) return;
  const timer = setTimeout(close, lingerMilliseconds).unref();
  stream.once('data', close);
  stream.once('close', () => clearTimeout(timer));
}
