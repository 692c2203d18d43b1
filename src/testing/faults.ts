import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { roomIn } from '../content/room.ts';

/** What goes wrong with one request. Parts that are not given go as they should; numbers are bytes and milliseconds. */
export interface Fault {
  /** Nothing happens for so long. */
  readonly delay?: number | undefined;
  /** Nothing is done, and this is the answer. */
  readonly status?: number | undefined;
  /** Error code of that answer. */
  readonly code?: string | undefined;
  /** Headers of that answer, or more headers for the right one; one without a value is left out of it. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  /** The connection breaks before anything is done. */
  readonly reset?: boolean | undefined;
  /** The connection breaks behind so many bytes of the body of the answer. */
  readonly cutAfter?: number | undefined;
  /** The byte at this place of the body of the answer is another one. */
  readonly corruptAt?: number | undefined;
  /** The body of the answer comes no faster than this, in bytes a second. */
  readonly bytesPerSecond?: number | undefined;
}

/** A request, as faults are chosen by it. */
export interface FaultyRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** How many requests with this method and path came before it. */
  readonly repeated: number;
}

/** Says what goes wrong with a request, if anything. */
export type FaultPlan = (request: FaultyRequest) => Fault | undefined;

/** Does what a fault says to a request that is about to be answered. True when nothing else is to be done. */
export async function injectFault(request: IncomingMessage, response: ServerResponse, fault: Fault): Promise<boolean> {
  if (fault.delay !== undefined) await waitUnlessGone(response, fault.delay);
  if (fault.reset) {
    request.socket.resetAndDestroy();
    return true;
  }
  if (fault.status !== undefined) {
    answer(response, fault.status, fault);
    return true;
  }
  alterHead(response, fault);
  alterBody(response, fault);
  return false;
}

async function waitUnlessGone(response: ServerResponse, milliseconds: number): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  await sleep(milliseconds, undefined, { ref: false, signal: gone.signal }).catch(() => {});
}

function answer(response: ServerResponse, status: number, { code = 'UNKNOWN', headers = {} }: Fault): void {
  const body = JSON.stringify({ errors: [{ code, message: 'a fault that was asked for' }] });
  const given = Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  // The body of the request stays unread, as it may with a real server that has made up its mind.
  response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close', ...given }).end(body);
}

function alterHead(response: ServerResponse, { headers = {} }: Fault): void {
  if (Object.keys(headers).length === 0) return;
  const writeHead = response.writeHead.bind(response) as (status: number, headers: object) => ServerResponse;
  const altered = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  response.writeHead = ((status: number, given: Record<string, unknown> = {}) => {
    const all = Object.entries(given).map(([name, value]) => [name.toLowerCase(), value] as const);
    const kept = Object.entries({ ...Object.fromEntries(all), ...altered }).filter(([, value]) => value !== undefined);
    for (const name of Object.keys(altered)) response.removeHeader(name);
    return writeHead(status, Object.fromEntries(kept));
  }) as typeof response.writeHead;
}

const pieceSize = 16 * 1024;

function alterBody(response: ServerResponse, { cutAfter, corruptAt, bytesPerSecond }: Fault): void {
  if (cutAfter === undefined && corruptAt === undefined && bytesPerSecond === undefined) return;
  const write = response.write.bind(response) as (chunk: Uint8Array) => boolean;
  const end = response.end.bind(response) as () => ServerResponse;
  let taken = 0;
  let offset = 0;
  let pending: Promise<void> = Promise.resolve();
  const send = async (chunk: Buffer): Promise<void> => {
    if (response.destroyed) return;
    const start = offset;
    offset += chunk.byteLength;
    if (bytesPerSecond !== undefined)
      await sleep((chunk.byteLength / bytesPerSecond) * 1000, undefined, { ref: false });
    if (corruptAt !== undefined && corruptAt >= start && corruptAt < offset)
      chunk = withOtherByte(chunk, corruptAt - start);
    const cut = cutAfter !== undefined && offset >= cutAfter;
    const bytes = cut ? chunk.subarray(0, Math.max(0, cutAfter - start)) : chunk;
    if (!response.destroyed && !write(bytes)) await roomIn(response);
    if (cut) response.socket?.destroySoon();
    else if (offset === taken) response.emit('drain');
  };
  response.write = ((chunk: Uint8Array, done?: (error?: Error) => void) => {
    const bytes = Buffer.from(chunk);
    taken += bytes.byteLength;
    // In small pieces, so that slow is slow from the first byte on.
    for (let at = 0; at < bytes.byteLength; at += pieceSize) {
      const piece = bytes.subarray(at, at + pieceSize);
      pending = pending.then(() => send(piece));
    }
    pending = pending.then(() => done?.(response.destroyed ? new Error('the connection is closed') : undefined));
    return false;
  }) as typeof response.write;
  response.end = ((chunk?: Uint8Array) => {
    if (chunk !== undefined) response.write(chunk);
    pending = pending.then(() => void (response.destroyed || end()));
    return response;
  }) as typeof response.end;
}

function withOtherByte(chunk: Buffer, at: number): Buffer {
  const copy = Buffer.from(chunk);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}
