/** What the registry client tells while it works. None of it holds a secret; times are milliseconds. */
export type RegistryEvent = RequestEvent | RegistryWarning | RetryEvent | WaitEvent | RateLimitEvent | FallbackEvent;

/** A request got an answer or none. Its URL is without what its query says. */
export interface RequestEvent {
  readonly type: 'request';
  readonly registry: string;
  readonly request: string;
  readonly status?: number | undefined;
  readonly error?: string | undefined;
  readonly duration: number;
}

/** A registry has something to say to people (distribution-spec, Warnings). Told once for each text. */
export interface RegistryWarning {
  readonly type: 'warning';
  readonly registry: string;
  readonly text: string;
}

/** A request is sent again after a pause. */
export interface RetryEvent {
  readonly type: 'retry';
  readonly registry: string;
  readonly request: string;
  /** The number of the next attempt. */
  readonly attempt: number;
  readonly pause: number;
  readonly cause: string;
}

/** Every request to a registry waits, because it asked for that. */
export interface WaitEvent {
  readonly type: 'wait';
  readonly registry: string;
  readonly pause: number;
}

/** What a registry says about its limits. */
export interface RateLimitEvent {
  readonly type: 'rate-limit';
  readonly registry: string;
  readonly limit?: number | undefined;
  readonly remaining?: number | undefined;
  /** The length of the window that the limit is for. */
  readonly window?: number | undefined;
  /** The time until the limit is full again. */
  readonly reset?: number | undefined;
}

/** Something usual did not work and something else is done instead. */
export interface FallbackEvent {
  readonly type: 'fallback';
  readonly registry: string;
  readonly text: string;
}
