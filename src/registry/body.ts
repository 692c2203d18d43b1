import { DrayError } from '../errors.ts';
import { refusal } from './codes.ts';
import type { Exchange } from './exchange.ts';

/**
 * The body of a request as it comes. It ends with an error, and the connection with it, when nothing comes for too long, when
 * the client goes away, or when the exchange is aborted.
 * @throws DrayError `aborted` for a body that stands still and when the client is gone; the reason of the signal.
 */
export async function* receive(exchange: Exchange, signal: AbortSignal = exchange.signal): AsyncGenerator<Buffer> {
  const { request, response, traffic, stall } = exchange;
  if (isHeldBack(exchange) && !request.complete) response.writeContinue();
  let reason: unknown;
  const give = (why: unknown): void => {
    reason ??= why;
    request.destroy();
  };
  const timer = setTimeout(() => give(stalled(stall)), stall);
  const stop = (): void => give(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      timer.refresh();
      traffic.received += (chunk as Buffer).byteLength;
      yield chunk as Buffer;
    }
    if (!request.complete) throw gone();
  } catch (error) {
    throw reason ?? (error instanceof DrayError ? error : gone(error));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** The length that a request announces for its body. @throws DrayError `SIZE_INVALID`. */
export function announcedLength({ request }: Exchange): number | undefined {
  const text = request.headers['content-length'];
  if (text === undefined) return undefined;
  const length = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(length)) return length;
  throw refusal('SIZE_INVALID', 'invalid Content-Length');
}

function stalled(milliseconds: number): DrayError {
  return new DrayError('aborted', `nothing of the body came for ${milliseconds / 1000} seconds`);
}

function gone(cause?: unknown): DrayError {
  return new DrayError('aborted', 'the client went away before the end of the body', { cause });
}

/** Whether a client holds its body back until it is asked for it (RFC 9110 section 10.1.1). */
export function isHeldBack({ request }: Pick<Exchange, 'request'>): boolean {
  return request.headers.expect !== undefined;
}

/** Whether all of a request has been read. */
export function isWhole({ request }: Pick<Exchange, 'request'>): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return request.complete || (encoding === undefined && (length === undefined || Number(length) === 0));
}

const largestRest = 16 * 1024 * 1024;
const longestRest = 2_000;

/**
 * Reads and drops what is left of a body, up to a limit, so that a client that is still sending gets to read the answer
 * instead of a reset. False when there was more: then the connection has to end.
 */
export async function drain({ request, traffic }: Pick<Exchange, 'request' | 'traffic'>): Promise<boolean> {
  if (request.destroyed) return request.complete;
  return await new Promise<boolean>((resolve) => {
    let left = largestRest;
    const finish = (whole: boolean) => (): void => {
      clearTimeout(timer);
      request.off('data', count).off('end', ended).off('close', closed).off('error', closed);
      resolve(whole);
    };
    const ended = finish(true);
    const closed = finish(false);
    const count = (chunk: Buffer): void => {
      traffic.received += chunk.byteLength;
      left -= chunk.byteLength;
      if (left < 0) closed();
    };
    const timer = setTimeout(closed, longestRest);
    request.on('data', count).once('end', ended).once('close', closed).once('error', closed).resume();
  });
}
