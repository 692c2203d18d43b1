import { DrayError } from '../errors.ts';

/** One part of a filter: a field, and what its value has to be. */
export interface Expression {
  readonly path: readonly string[];
  readonly operator: 'present' | '==' | '!=' | '~=';
  readonly value: string;
  /** For `~=`; absent when the regular expression is malformed, which never matches. */
  readonly pattern?: { test(text: string): boolean } | undefined;
}

/**
 * Parses one filter: expressions joined by commas (containerd.md 3.2).
 * @throws DrayError `invalid-argument` with the column of the mistake.
 */
export function parseFilter(text: string): readonly Expression[] {
  if (text === '') return [];
  const scanner = new Scanner(text);
  const expressions = [parseExpression(scanner)];
  while (!scanner.ended) {
    if (scanner.peek() !== ',') throw scanner.error('expected a comma');
    scanner.take();
    expressions.push(parseExpression(scanner));
  }
  return expressions;
}

function parseExpression(scanner: Scanner): Expression {
  const path = parsePath(scanner);
  if (scanner.ended || scanner.peek() === ',') return { path, operator: 'present', value: '' };
  const operator = parseOperator(scanner);
  const value = parseValue(scanner, operator === '~=');
  return { path, operator, value, pattern: operator === '~=' ? compile(value) : undefined };
}

function parsePath(scanner: Scanner): string[] {
  const path = [parseField(scanner)];
  while (scanner.peek() === '.') {
    scanner.take();
    path.push(parseField(scanner));
  }
  return path;
}

function parseField(scanner: Scanner): string {
  scanner.skipSpace();
  if (scanner.peek() === '"') return scanner.quoted();
  const field = scanner.run(/[A-Za-z0-9_]/);
  if (field === '') throw scanner.error('expected a field name');
  return field;
}

function parseOperator(scanner: Scanner): '==' | '!=' | '~=' {
  scanner.skipSpace();
  const at = scanner.position;
  const operator = scanner.run(/[=!~]/);
  if (operator === '==' || operator === '!=' || operator === '~=') return operator;
  throw scanner.error(operator === '' ? 'expected an operator' : `unsupported operator ${operator}`, at);
}

function parseValue(scanner: Scanner, isPattern: boolean): string {
  scanner.skipSpace();
  const first = scanner.peek();
  if (first === '"') return scanner.quoted();
  if (first === '/' || first === '|') {
    if (isPattern) return scanner.quoted();
    throw scanner.error('only a regular expression may be quoted like this');
  }
  if (first === undefined || /[.,=!~]/.test(first)) throw scanner.error('expected a value');
  const value = scanner.run(/[^\s,\p{C}]/u);
  if (value === '') throw scanner.error('expected a value');
  return value;
}

function compile(source: string): RegExp | undefined {
  try {
    return new RegExp(source);
  } catch {
    return undefined;
  }
}

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

class Scanner {
  readonly #characters: readonly string[];
  position = 0;

  constructor(text: string) {
    this.#characters = [...text];
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
    this.run(/\s/);
  }

  run(allowed: RegExp): string {
    const start = this.position;
    while (!this.ended && allowed.test(this.peek() ?? '')) this.position += 1;
    return this.#characters.slice(start, this.position).join('');
  }

  quoted(): string {
    const start = this.position;
    const quote = this.take();
    let text = '';
    for (;;) {
      if (this.ended) throw this.error('unterminated quote', start);
      const character = this.take();
      if (character === quote) return text;
      if (character === '\n') throw this.error('a quoted text ends on its line', this.position - 1);
      text += character === '\\' ? this.#escape(quote) : character;
    }
  }

  #escape(quote: string): string {
    const at = this.position - 1;
    const code = this.take();
    if (code === quote) return quote;
    const simple = escapes[code];
    if (simple !== undefined) return simple;
    const digits = { x: 2, u: 4, U: 8 }[code];
    if (digits !== undefined) return this.#character(this.#fixed(/[0-9a-fA-F]/, digits, at), 16, at);
    if (/[0-7]/.test(code)) return this.#character(code + this.#fixed(/[0-7]/, 2, at), 8, at);
    throw this.error('illegal escape sequence', at);
  }

  #fixed(allowed: RegExp, count: number, at: number): string {
    const digits = this.#characters.slice(this.position, this.position + count);
    if (digits.length < count || !digits.every((digit) => allowed.test(digit)))
      throw this.error('illegal escape sequence', at);
    this.position += count;
    return digits.join('');
  }

  #character(digits: string, base: number, at: number): string {
    const code = Number.parseInt(digits, base);
    if (code > 0x10ffff || (base === 8 && code > 255)) throw this.error('illegal escape sequence', at);
    return String.fromCodePoint(code);
  }

  error(problem: string, at: number = this.position): DrayError {
    const before = this.#characters.slice(0, at).join('');
    const marked = `${before} >|${this.#characters[at] ?? ''}|< ${this.#characters.slice(at + 1).join('')}`;
    return new DrayError(
      'invalid-argument',
      `invalid filter at column ${at + 1}: ${problem} (${marked.slice(0, 200)})`,
      {
        hint: 'a filter looks like name==redis,labels."team.name"~=/^a/',
      },
    );
  }
}
