import type { HostState } from './host-state.ts';
import type { ResponseHeaders } from './transport.ts';

/** What a registry says beside the matter: warnings and limits. */

const warningLimit = 4096;

/** Tells what the headers of an answer say: each warning once, and the limits. */
export function noteManners(host: HostState, headers: ResponseHeaders): void {
  for (const text of parseWarnings(headers.all('warning'))) {
    if (host.warnings.has(text) || host.warnings.size >= 100) continue;
    host.warnings.add(text);
    host.context.emit({ type: 'warning', registry: host.registry, text });
  }
  const limits = parseRateLimit(headers);
  if (limits !== undefined) host.context.emit({ type: 'rate-limit', registry: host.registry, ...limits });
}

/** The texts of `Warning: 299 - "text"` headers (distribution-spec, Warnings); everything else is passed over. */
export function parseWarnings(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => {
    const texts: string[] = [];
    for (const match of line.slice(0, warningLimit).matchAll(/(?:^|,)\s*299 - "((?:[^"\\]|\\.)*)"/g)) {
      const text = (match[1] ?? '').replace(/\\(.)/g, '$1');
      if (text !== '' && !/[\x00-\x1f\x7f]/.test(text)) texts.push(text);
    }
    return texts;
  });
}

/** Limits in requests, times in milliseconds. */
export interface RateLimit {
  readonly limit?: number | undefined;
  readonly remaining?: number | undefined;
  readonly window?: number | undefined;
  readonly reset?: number | undefined;
}

/** `RateLimit-Limit: 100;w=21600`, `RateLimit-Remaining`, `RateLimit-Reset`, as Docker Hub and others write them. */
export function parseRateLimit(headers: ResponseHeaders): RateLimit | undefined {
  const [limit, window] = amount(headers.get('ratelimit-limit'));
  const [remaining, sameWindow] = amount(headers.get('ratelimit-remaining'));
  const [reset] = amount(headers.get('ratelimit-reset'));
  if (limit === undefined && remaining === undefined) return undefined;
  return { limit, remaining, window: inMilliseconds(window ?? sameWindow), reset: inMilliseconds(reset) };
}

function amount(text: string | undefined): readonly (number | undefined)[] {
  const match = /^\s*(\d{1,12})\s*(?:;\s*w=(\d{1,9}))?/.exec(text ?? '');
  if (match === null) return [];
  return [Number(match[1]), match[2] === undefined ? undefined : Number(match[2])];
}

function inMilliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}
