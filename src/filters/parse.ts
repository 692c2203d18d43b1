import { compilePattern, type Pattern } from './regular-expression.ts';
import { Scanner } from './scanner.ts';

/** One part of a filter: a field, and what its value has to be. */
export interface Expression {
  readonly path: readonly string[];
  readonly operator: 'present' | '==' | '!=' | '~=';
  readonly value: string;
  /** For `~=`; absent when the regular expression is malformed, which never matches. */
  readonly pattern?: Pattern | undefined;
}

/**
 * Parses one filter: expressions joined by commas. White space is allowed before a token, not after the last one.
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
  if (operator !== '~=') return { path, operator, value };
  return { path, operator, value, pattern: compilePattern(value) };
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
    throw scanner.error('a value that begins like this goes into double quotes');
  }
  if (first === undefined || /[.,=!~]/.test(first)) throw scanner.error('expected a value');
  const value = scanner.run(/[[\p{L}\p{M}\p{N}\p{P}\p{S}]--[,]]/v);
  if (value === '') throw scanner.error('expected a value');
  return value;
}
