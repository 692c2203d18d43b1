import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { roomIn } from '../../content/room.ts';
import type { Rule } from './rules.ts';

/** A request as a scripted registry remembers it. */
export interface RecordedRequest {
  readonly method: string;
  /** The path with its query, as it was asked for. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Bytes of its body that arrived. */
  received: number;
  /** Bytes of the answer's body that were sent. */
  sent: number;
  /** Absent while, or because, there was no answer. */
  status?: number | undefined;
}

/** An answer before it is sent. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
  readonly body?: Iterable<Uint8Array> | undefined;
  /** Bytes of the body; the header is left out when it is absent. */
  readonly length?: number | undefined;
}

/** Thrown when a rule has ended the connection. */
export class Broken extends Error {}

/** One request on the wire, with the faults that are meant for it. */
export class Wire {
  readonly record: RecordedRequest;
  readonly rule: Rule | undefined;
  readonly query: URLSearchParams;
  readonly path: string;
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, record: RecordedRequest, rule: Rule | undefined) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.record = record;
    this.rule = rule;
    const [path = '', ...query] = record.url.split('?');
    this.path = path;
    this.query = new URLSearchParams(query.join('?'));
  }

  get method(): string {
    return this.record.method;
  }

  get headers(): IncomingMessage['headers'] {
    return this.#incoming.headers;
  }

  /** Ends the connection without a word. */
  reset(): never {
    (this.#incoming.socket as Socket).resetAndDestroy();
    throw new Broken();
  }

  /** Sends bytes as they are and closes. */
  raw(text: string): void {
    this.#incoming.socket.end(text);
  }

  /** The body of the request, as far as it arrives. @throws Broken when it breaks off, or is broken off by a rule. */
  async *body(): AsyncGenerator<Uint8Array> {
    const { resetRequestAfter = Number.POSITIVE_INFINITY, stallRequestAfter } = this.rule ?? {};
    try {
      for await (const chunk of this.#incoming as AsyncIterable<Buffer>) {
        const left = resetRequestAfter - this.record.received;
        this.record.received += Math.min(left, chunk.byteLength);
        yield chunk.byteLength > left ? chunk.subarray(0, left) : chunk;
        if (chunk.byteLength >= left) this.reset();
        if (this.record.received >= (stallRequestAfter ?? Number.POSITIVE_INFINITY))
          await once(this.#incoming, 'close');
      }
    } catch (error) {
      throw error instanceof Broken ? error : new Broken();
    }
    if (resetRequestAfter === 0) this.reset();
  }

  /** The whole body of the request. */
  async bytes(): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.body()) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Sends an answer, damaged as the rule says. */
  async send(reply: Reply, always: Readonly<Record<string, string | readonly string[]>>): Promise<void> {
    const { headers: changed = {}, resetAnswer = false } = this.rule ?? {};
    if (resetAnswer) this.reset();
    const length = reply.length === undefined ? {} : { 'content-length': `${reply.length}` };
    const headers = { ...always, ...length, ...reply.headers, ...changed };
    const kept = Object.entries(headers).filter(([, value]) => value !== '');
    this.record.status = reply.status;
    this.#outgoing.writeHead(reply.status, Object.fromEntries(kept.map(([name, value]) => [name, mutable(value)])));
    if (this.method === 'HEAD' || reply.body === undefined) this.#outgoing.end();
    else await this.#sendBody(reply.body);
  }

  /** Answers without having read the request, and closes. */
  refuse(status: number): void {
    this.record.status = status;
    this.#outgoing.writeHead(status, { connection: 'close' });
    this.#outgoing.end(() => this.#incoming.socket.destroySoon());
  }

  async #sendBody(body: Iterable<Uint8Array>): Promise<void> {
    const { resetAfter, truncateAfter, stallAfter, rate } = this.rule ?? {};
    const limit = Math.min(resetAfter ?? Infinity, truncateAfter ?? Infinity, stallAfter ?? Infinity);
    for (const chunk of rate === undefined ? body : inPieces(body, Math.max(1, Math.ceil(rate / 20)))) {
      const piece = this.#damaged(chunk.subarray(0, Math.max(0, limit - this.record.sent)));
      this.record.sent += piece.byteLength;
      if (this.#outgoing.destroyed) return;
      if (!this.#outgoing.write(piece)) await roomIn(this.#outgoing);
      if (rate !== undefined) await sleep((piece.byteLength / rate) * 1000);
      if (this.record.sent < limit) continue;
      return await this.#breakOff();
    }
    this.#outgoing.end();
  }

  async #breakOff(): Promise<void> {
    const { stallAfter, truncateAfter } = this.rule ?? {};
    if (stallAfter !== undefined) return;
    // What was written has to be on its way before the connection ends.
    await new Promise<void>((resolve) => this.#outgoing.write('', () => resolve()));
    await sleep(5);
    if (truncateAfter !== undefined) this.#incoming.socket.end();
    else this.reset();
  }

  #damaged(piece: Uint8Array): Uint8Array {
    const at = (this.rule?.corruptAt ?? -1) - this.record.sent;
    if (at < 0 || at >= piece.byteLength) return piece;
    const copy = Buffer.from(piece);
    copy[at] = (copy[at] ?? 0) ^ 0xff;
    return copy;
  }
}

function* inPieces(body: Iterable<Uint8Array>, size: number): Generator<Uint8Array> {
  for (const chunk of body) {
    for (let at = 0; at < chunk.byteLength; at += size) yield chunk.subarray(at, at + size);
  }
}

function mutable(value: string | readonly string[]): string | string[] {
  return typeof value === 'string' ? value : [...value];
}

/** An answer with a JSON document. */
export function json(status: number, document: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  const body = Buffer.from(JSON.stringify(document));
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: [body], length: body.byteLength };
}

/** An error of the distribution protocol. */
export function failure(status: number, code: string, message: string = code.toLowerCase(), detail?: unknown): Reply {
  return json(status, { errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] });
}

/** An answer without a body. */
export function empty(status: number, headers: Readonly<Record<string, string | readonly string[]>> = {}): Reply {
  return { status, headers, length: status === 204 ? undefined : 0 };
}
