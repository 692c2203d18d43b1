import type { OutgoingHttpHeaders } from 'node:http';
import { DrayError } from '../errors.ts';
import { drain, isHeldBack, isWhole } from './body.ts';
import { answerOf } from './codes.ts';
import { type Exchange, isHead } from './exchange.ts';

/** Answers without a body. */
export function replyEmpty({ response }: Exchange, status: number, headers: OutgoingHttpHeaders = {}): void {
  const length = status === 204 || status === 304 ? {} : { 'Content-Length': 0 };
  response.writeHead(status, { ...length, ...headers }).end();
}

/** Answers with bytes at hand. */
export function replyBytes(exchange: Exchange, bytes: Uint8Array, headers: OutgoingHttpHeaders): void {
  exchange.response.writeHead(200, { ...headers, 'Content-Length': bytes.byteLength });
  if (!isHead(exchange)) {
    exchange.traffic.sent += bytes.byteLength;
    exchange.response.write(bytes);
  }
  exchange.response.end();
}

/** Answers with a JSON document. */
export function replyJson(exchange: Exchange, value: unknown, headers: OutgoingHttpHeaders = {}): void {
  replyBytes(exchange, Buffer.from(JSON.stringify(value)), { 'Content-Type': 'application/json', ...headers });
}

/** Answers with a stream of exactly the length that the headers say, as fast as the client reads. */
export async function replyStream(
  exchange: Exchange,
  status: number,
  headers: OutgoingHttpHeaders,
  open: () => AsyncIterable<Uint8Array>,
): Promise<void> {
  const { response, traffic } = exchange;
  response.writeHead(status, headers);
  if (isHead(exchange)) {
    response.end();
    return;
  }
  for await (const chunk of open()) {
    traffic.sent += chunk.byteLength;
    await written(exchange, chunk);
  }
  response.end();
}

// Resolves when the chunk has left for the client, so that whoever gave it may use its memory again.
async function written({ response, signal, stall }: Exchange, chunk: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = (): void => reject(signal.reason);
  const timer = setTimeout(() => reject(unread(chunk.byteLength, stall)), stall);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    response.write(chunk, (error) => (error ? reject(error) : resolve()));
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

function unread(bytes: number, stall: number): DrayError {
  return new DrayError('aborted', `the client did not read ${bytes} bytes in ${stall / 1000} seconds`);
}

/**
 * Answers with the error document of the specification (Error Codes). Headers that were set before stay. When part of an answer
 * is out already, the connection is cut instead, which is the only way to say that the rest will not come.
 */
export async function replyError(exchange: Exchange, error: unknown): Promise<void> {
  const { response } = exchange;
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, code, message, hint } = answerOf(error);
  const detail = hint === undefined ? {} : { detail: hint };
  const body = Buffer.from(`${JSON.stringify({ errors: [{ code, message, ...detail }] })}\n`);
  const head = isHead(exchange);
  const whole = isWhole(exchange);
  if (!whole) response.setHeader('Connection', 'close');
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.byteLength });
  if (!head) {
    exchange.traffic.sent += body.byteLength;
    response.write(body);
  }
  if (!whole && !isHeldBack(exchange)) await drain(exchange);
  response.end();
}

/** Adds a warning that clients show to people (distribution-spec, Warnings). */
export function warn({ response }: Pick<Exchange, 'response'>, text: string): void {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 1000);
  response.appendHeader('Warning', `299 - "${plain.replaceAll(/["\\]/g, '\\$&')}"`);
}
