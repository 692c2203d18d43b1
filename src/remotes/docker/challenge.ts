/** A challenge of a `WWW-Authenticate` header (RFC 9110 section 11.6.1). Scheme and parameter names are in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * The challenges of all lines of a header, in their order. One line may hold several; quoting, white space and case are
 * taken as they are met in the wild, and what cannot be read is passed over.
 */
export function parseChallenges(lines: readonly string[]): readonly Challenge[] {
  return lines.flatMap((line) => new Reader(line.slice(0, maximumLength)).challenges());
}

const maximumLength = 16 * 1024;
const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const token68 = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y;
const space = /[ \t]*/y;
const comma = /[ \t]*(?:,[ \t]*)*/y;
const equals = /[ \t]*=[ \t]*/y;
const quoted = /"((?:[^"\\]|\\[\s\S])*)(?:"|$)/y;
const bare = /[^\s,"]*/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  challenges(): Challenge[] {
    const found: Challenge[] = [];
    while (this.#skip(comma) && this.#at < this.#text.length) {
      const scheme = this.#take(token);
      if (scheme === undefined) {
        this.#at += 1;
        continue;
      }
      this.#skip(space);
      found.push({ scheme: scheme.toLowerCase(), parameters: this.#parameters() });
    }
    return found;
  }

  #parameters(): Map<string, string> {
    const parameters = new Map<string, string>();
    for (;;) {
      const before = this.#at;
      this.#skip(comma);
      const start = this.#at;
      const name = this.#take(token);
      if (name !== undefined && this.#take(equals) !== undefined) {
        const value = this.#value();
        if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
        continue;
      }
      this.#at = start;
      // Opaque data of a scheme, such as Negotiate's, directly behind its name.
      if (before === start && parameters.size === 0 && this.#take(token68) !== undefined) continue;
      return parameters;
    }
  }

  #value(): string {
    const inQuotes = this.#match(quoted);
    if (inQuotes !== undefined) return (inQuotes[1] ?? '').replace(/\\([\s\S])/g, '$1');
    return this.#take(bare) ?? '';
  }

  #skip(pattern: RegExp): true {
    this.#match(pattern);
    return true;
  }

  #take(pattern: RegExp): string | undefined {
    return this.#match(pattern)?.[0];
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text) ?? undefined;
    if (match !== undefined) this.#at = pattern.lastIndex;
    return match;
  }
}
