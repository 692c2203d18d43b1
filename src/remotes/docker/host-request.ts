import type { ErrorContext } from '../../errors.ts';
import type { WireRequest, WireResponse } from './transport.ts';

/** A response with what an error about it has to say. */
export interface HostResponse extends WireResponse {
  readonly context: ErrorContext;
}

/** One request to a host, with all that it takes: authorization, redirects, repetition. */
export interface HostRequest {
  readonly method: WireRequest['method'];
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The body, anew for each attempt. */
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>) | undefined;
  readonly scopes: readonly string[];
  readonly repository?: string | undefined;
  /** Statuses that are answers; every other one is an error. `any`: whoever asks judges. */
  readonly expect: readonly number[] | 'any';
  /** `once`: not repeated after a failure, since the far side may have done half of it. Challenges are still answered. */
  readonly repeat?: 'always' | 'once' | undefined;
  /** `none`: only what the headers of the request say. */
  readonly credentials?: 'own' | 'none' | undefined;
  /** Redirects to other servers are refused. */
  readonly withinOrigin?: boolean | undefined;
  /** The far side may need long before it answers. */
  readonly commits?: boolean | undefined;
  /** It takes no place among the small requests: its body is large and has one, or somebody who has one waits for it. */
  readonly bulk?: boolean | undefined;
  readonly operation?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}
