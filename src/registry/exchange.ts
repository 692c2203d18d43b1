import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Identity } from './auth/authentication.ts';

/** One request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Names the exchange in the log and in the `X-Request-Id` header. */
  readonly id: string;
  readonly query: URLSearchParams;
  readonly identity: Identity;
  /** Aborts when the client is gone or the registry closes. */
  readonly signal: AbortSignal;
  /** Bytes of both bodies so far. */
  readonly traffic: { received: number; sent: number };
  /** The longest a body may stand still, in milliseconds. */
  readonly stall: number;
}

/** Whether the body of the answer is left out. */
export function isHead({ request }: Pick<Exchange, 'request'>): boolean {
  return request.method === 'HEAD';
}
