/** What is done to single requests, whatever the registry would have done. */

/** An answer in place of the registry's. */
export interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
  readonly body?: string | Uint8Array | undefined;
}

/** One entry of a script. */
export interface Rule {
  /** The requests it is for: `GET /v2/*` with stars for any text, or an expression on method and path with query. */
  readonly on: string | RegExp;
  /** How many requests it is for; all if absent. */
  readonly times?: number | undefined;
  /** How many such requests pass before. */
  readonly after?: number | undefined;
  /** Milliseconds before anything is answered. */
  readonly delay?: number | undefined;
  /** Answered instead. The body of the request is read before. */
  readonly answer?: ScriptedAnswer | undefined;
  /** Sent instead as it is, with no HTTP added; then the connection is closed. */
  readonly raw?: string | undefined;
  /** The connection is reset before anything is read. */
  readonly reset?: boolean | undefined;
  /** The connection is reset when this many bytes of the request's body are there. They count as arrived. */
  readonly resetRequestAfter?: number | undefined;
  /** Nothing more is read when this many bytes of the request's body are there. They count as arrived. */
  readonly stallRequestAfter?: number | undefined;
  /** The registry does what it was asked for, and the connection is reset in place of its answer. */
  readonly resetAnswer?: boolean | undefined;
  /** The connection is reset behind this many bytes of the answer's body. */
  readonly resetAfter?: number | undefined;
  /** The connection is closed in good order behind this many bytes of the answer's body. */
  readonly truncateAfter?: number | undefined;
  /** Nothing comes any more behind this many bytes of the answer's body. */
  readonly stallAfter?: number | undefined;
  /** The byte of the answer's body at this place is another one. */
  readonly corruptAt?: number | undefined;
  /** The answer's body comes with this many bytes a second. */
  readonly rate?: number | undefined;
  /** Headers of the registry's answer that are others, or are not there when they are empty. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A rule in force. */
export class ActiveRule {
  readonly rule: Rule;
  readonly #pattern: RegExp;
  #seen = 0;

  constructor(rule: Rule) {
    this.rule = rule;
    this.#pattern = typeof rule.on === 'string' ? patternOf(rule.on) : rule.on;
  }

  /** Whether it is for this request; counts it. */
  takes(request: string): boolean {
    if (!this.#pattern.test(request)) return false;
    const { after = 0, times = Number.POSITIVE_INFINITY } = this.rule;
    this.#seen += 1;
    return this.#seen > after && this.#seen <= after + times;
  }
}

function patternOf(text: string): RegExp {
  const escaped = text.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`);
}
