/** When to try again. */

/** How failed requests are repeated. */
export interface RetryOptions {
  /** How often a request is sent at most. */
  readonly attempts?: number | undefined;
  /** The first pause in milliseconds; it doubles each time. */
  readonly pause?: number | undefined;
  /** The longest pause in milliseconds that nobody asked for. */
  readonly longestPause?: number | undefined;
  /** The longest pause in milliseconds that a registry may ask for; beyond it the request fails at once. */
  readonly longestWait?: number | undefined;
}

/** {@link RetryOptions} with nothing left open. */
export type RetryPolicy = { readonly [K in keyof RetryOptions]-?: number };

export const defaultRetryPolicy: RetryPolicy = { attempts: 5, pause: 250, longestPause: 10_000, longestWait: 120_000 };

/** The pause before attempt number `next`, spread so that many clients do not come back at the same moment. */
export function backOff(policy: RetryPolicy, next: number): number {
  const full = Math.min(policy.longestPause, policy.pause * 2 ** Math.max(0, next - 2));
  return full / 2 + Math.random() * (full / 2);
}

/**
 * The pause that a `Retry-After` asks for, in milliseconds: seconds or a date (RFC 9110 section 10.2.3), and units as some
 * write them (`880µs`, `30s`, `2m`). Undefined for anything else.
 */
export function parseRetryAfter(text: string | undefined, now: number = Date.now()): number | undefined {
  const value = text?.trim() ?? '';
  const duration = /^(\d{1,9}(?:\.\d{1,9})?)\s*(ns|us|[\u00b5\u03bc]s|ms|s|m|h)?$/.exec(value);
  if (duration !== null) return Math.ceil(Number(duration[1]) * (units[duration[2] ?? 's'] ?? 1000));
  if (!/[A-Za-z]{3}/.test(value)) return undefined;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** What the time is where an answer comes from, in milliseconds, for the dates in it; here, where it does not say. */
export function timeOf(date: string | undefined): number {
  const there = Date.parse(date ?? '');
  return Number.isNaN(there) ? Date.now() : there;
}

const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
