import type { RegistryEvent } from '../remotes/docker/events.ts';
import type { Output } from './output.ts';
import { formatDuration } from './units.ts';

/** A limit is told when less than this part of it is left. */
const scarce = 0.1;

/** Shorter pauses are no news, in milliseconds. */
const shortPause = 1000;

/**
 * Tells on stderr what registries say and how requests to them go: warnings, low limits, long pauses and what was done instead
 * of the usual to everybody, all else with `--debug`. `asJson`: notices are JSON lines, `{"v":1,"t":"notice",…}`.
 */
export function registryNotices(output: Output, asJson: boolean): (event: RegistryEvent) => void {
  const low = new Set<string>();
  return (event) => {
    const text = noticeOf(event);
    // A limit goes down with each request: once is enough.
    const isNews = text !== undefined && (event.type !== 'rate-limit' || low.size < low.add(event.registry).size);
    if (!isNews) {
      if (output.debug) output.say(`debug: ${detailOf(event)}`);
    } else if (asJson) output.sayJson({ v: 1, t: 'notice', registry: event.registry, text });
    else output.note(text);
  };
}

function noticeOf(event: RegistryEvent): string | undefined {
  switch (event.type) {
    case 'warning':
      return `warning from ${event.registry}: ${event.text}`;
    case 'fallback':
      return `${event.registry}: ${event.text}`;
    case 'wait':
      return event.pause < shortPause
        ? undefined
        : `${event.registry} asks for a pause of ${formatDuration(event.pause)}`;
    case 'rate-limit': {
      const { limit, remaining } = event;
      const isLow = remaining !== undefined && remaining <= (limit ?? 0) * scarce;
      return isLow ? `${event.registry} allows ${allowance(event)}` : undefined;
    }
    default:
      return undefined;
  }
}

function detailOf(event: RegistryEvent): string {
  switch (event.type) {
    case 'request':
      return `${event.request} ${event.status ?? event.error ?? ''} ${Math.round(event.duration)} ms`;
    case 'retry':
      return `${event.request} again in ${Math.round(event.pause)} ms, attempt ${event.attempt}: ${event.cause}`;
    case 'wait':
      return `${event.registry} is left alone for ${Math.round(event.pause)} ms`;
    case 'rate-limit':
      return `${event.registry} allows ${allowance(event)}`;
    default:
      return `${event.registry}: ${event.text}`;
  }
}

function allowance({ limit, remaining, window, reset }: Extract<RegistryEvent, { type: 'rate-limit' }>): string {
  return [
    `${remaining ?? 'some'} more requests`,
    limit === undefined ? undefined : `of ${limit}`,
    window === undefined ? undefined : `in ${formatDuration(window)}`,
    reset === undefined ? undefined : `(anew in ${formatDuration(reset)})`,
  ]
    .filter((part) => part !== undefined)
    .join(' ');
}
