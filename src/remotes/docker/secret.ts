import { inspect } from 'node:util';

const redacted = '[redacted]';

/** A password or token. It prints as `[redacted]` wherever it is printed, logged, inspected or serialised. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    Object.defineProperty(this, inspect.custom, { value: () => redacted });
  }

  /** The value itself, for the one place that sends it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }
}

/** A text that may be absent as a secret; an empty one is none. */
export function secretOf(text: string | null | undefined): Secret | undefined {
  return text ? new Secret(text) : undefined;
}

/**
 * A URL for people: without user information and fragment, and with every value of its query hidden, since signatures,
 * tokens and upload states travel there. `digest`, `n` and the like, which tell something and open nothing, stay.
 */
export function redactedUrl(url: URL): string {
  const query = url.search === '' ? '' : `?${url.search.slice(1).split('&').map(redactedParameter).join('&')}`;
  return `${url.protocol}//${url.host}${url.pathname}${query}`;
}

const harmless = new Set(['digest', 'n', 'ns', 'mount', 'from', 'artifactType', 'tag', 'service', 'scope']);

function redactedParameter(parameter: string): string {
  const [name = ''] = parameter.split('=');
  return harmless.has(name) ? parameter : `${name}=${redacted}`;
}
