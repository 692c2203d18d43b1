import { DrayError } from '../errors.ts';

/** The simple escapes of a quoted text, as Go has them. */
const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
};

/** Reads a filter character by character and knows the column of a mistake. */
export class Scanner {
  readonly #characters: readonly string[];
  position = 0;

  /** @throws DrayError `invalid-argument` for a text with NUL or with half a surrogate pair. */
  constructor(text: string) {
    this.#characters = [...text];
    const bad = this.#characters.findIndex((character) => character === '\0' || !character.isWellFormed());
    if (bad >= 0) throw this.error('no such character is allowed', bad);
  }

  get ended(): boolean {
    return this.position >= this.#characters.length;
  }

  peek(): string | undefined {
    return this.#characters[this.position];
  }

  take(): string {
    const character = this.peek();
    if (character === undefined) throw this.error('unexpected end');
    this.position += 1;
    return character;
  }

  skipSpace(): void {
    this.run(/\p{White_Space}/u);
  }

  /** The longest run of characters that match. */
  run(allowed: RegExp): string {
    const start = this.position;
    while (!this.ended && allowed.test(this.peek() ?? '')) this.position += 1;
    return this.#characters.slice(start, this.position).join('');
  }

  /** A text between two of the same character, whatever that is. */
  quoted(): string {
    const start = this.position;
    const quote = this.take();
    const parts: Buffer[] = [];
    for (;;) {
      if (this.ended) throw this.error('unterminated quote', start);
      const character = this.take();
      if (character === quote) return decode(Buffer.concat(parts));
      if (character === '\n') throw this.error('a quoted text ends on its line', this.position - 1);
      parts.push(character === '\\' ? this.#escape(quote) : Buffer.from(character));
    }
  }

  #escape(quote: string): Buffer {
    const at = this.position - 1;
    const code = this.take();
    if (code === quote) return Buffer.from(quote);
    const simple = Object.hasOwn(escapes, code) ? escapes[code] : undefined;
    if (simple !== undefined) return Buffer.from(simple);
    if (code === 'x') return Buffer.of(this.#digits(/[0-9a-fA-F]/, 2, 16, 0xff, at));
    if (code === 'u') return this.#character(4, at);
    if (code === 'U') return this.#character(8, at);
    this.position -= 1;
    return Buffer.of(this.#digits(/[0-7]/, 3, 8, 0xff, at));
  }

  #character(length: number, at: number): Buffer {
    const text = String.fromCodePoint(this.#digits(/[0-9a-fA-F]/, length, 16, 0x10ffff, at));
    if (!text.isWellFormed()) throw this.error('illegal escape sequence', at);
    return Buffer.from(text);
  }

  #digits(allowed: RegExp, length: number, base: number, largest: number, at: number): number {
    const digits = this.#characters.slice(this.position, this.position + length);
    const value = Number.parseInt(digits.join(''), base);
    if (digits.length < length || !digits.every((digit) => allowed.test(digit)) || value > largest)
      throw this.error('illegal escape sequence', at);
    this.position += length;
    return value;
  }

  /** The error for a mistake at a position, the present one if not said. */
  error(problem: string, at: number = this.position): DrayError {
    const before = this.#characters.slice(Math.max(0, at - 60), at).join('');
    const after = this.#characters.slice(at + 1, at + 60).join('');
    const marked = `${before} >|${this.#characters[at] ?? ''}|< ${after}`;
    return new DrayError('invalid-argument', `invalid filter at column ${at + 1}: ${problem} (${marked})`, {
      hint: 'a filter looks like name==redis,labels."team.name"~=/^a/',
    });
  }
}

// Bytes that are no UTF-8 equal no text; a lone surrogate is how a string says that.
function decode(bytes: Buffer): string {
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : `\ud800${bytes.toString('latin1')}`;
}
