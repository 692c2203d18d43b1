import type { SQLInputValue } from 'node:sqlite';
import type { Filter } from '../filters/filter.ts';
import type { Expression } from '../filters/parse.ts';

/** A condition that every row which a filter could match fulfils; others may too, so the filter is still asked. */
export interface Condition {
  /** For a `WHERE`, in parentheses. */
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

/** Where the fields of an object are: the columns of text by dotted path, and the columns of labels by their first name. */
export interface Columns {
  readonly text: Readonly<Record<string, string>>;
  readonly maps: Readonly<Record<string, string>>;
}

const everything: Condition = { sql: '(1)', values: [] };

/** More members than this are left to the filter: the statement would become too large. */
const memberLimit = 50;

/**
 * What of a filter the database can do: equality and presence of columns, the text that a regular expression wants at their
 * beginning, and keys in JSON objects as `JSON.stringify` writes them. The meaning stays the filter's; this only spares it
 * rows.
 */
export function prefilter({ members }: Filter, columns: Columns): Condition {
  if (members.length === 0 || members.length > memberLimit) return everything;
  const conditions = members.map((member) => memberCondition(member, columns));
  if (conditions.some((condition) => condition.sql === everything.sql)) return everything;
  return joined(conditions, ' OR ');
}

function memberCondition(member: readonly Expression[], columns: Columns): Condition {
  const conditions = member.flatMap((expression) => condition(expression, columns) ?? []);
  return conditions.length === 0 || conditions.length > memberLimit ? everything : joined(conditions, ' AND ');
}

function condition({ path, operator, value }: Expression, { text, maps }: Columns): Condition | undefined {
  const column = own(text, path.join('.'));
  if (operator === '~=' && column !== undefined) return prefixCondition(column, literalPrefix(value));
  if ((operator !== '==' && operator !== 'present') || !value.isWellFormed()) return undefined;
  if (column !== undefined) return operator === '==' ? { sql: `${column} = ?`, values: [value] } : undefined;
  const map = own(maps, path[0] ?? '');
  if (map === undefined) return undefined;
  const key = JSON.stringify(path.slice(1).join('.'));
  return { sql: `instr(${map}, ?) > 0`, values: [operator === '==' ? `${key}:${JSON.stringify(value)}` : `${key}:`] };
}

function prefixCondition(column: string, prefix: string): Condition | undefined {
  if (prefix === '') return undefined;
  const next = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
  return { sql: `(${column} >= ? AND ${column} < ?)`, values: [prefix, next] };
}

/** The text that everything begins with which a regular expression of RE2 finds; as much of it as is plain to see. */
function literalPrefix(pattern: string): string {
  // An alternative may begin with anything.
  if (!pattern.startsWith('^') || pattern.includes('|')) return '';
  const literal = /^\^((?:[A-Za-z0-9_/:@ -]|\\[./:@-])*)([*+?{])?/.exec(pattern);
  const plain = (literal?.[1] ?? '').replaceAll('\\', '');
  // What is repeated may be absent.
  return literal?.[2] === undefined ? plain : plain.slice(0, -1);
}

function joined(conditions: readonly Condition[], word: string): Condition {
  return {
    sql: `(${conditions.map((one) => one.sql).join(word)})`,
    values: conditions.flatMap((one) => one.values),
  };
}

function own(record: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
