/**
 * JSON as Go's encoding/json writes it. A digest is over bytes, so whoever wants to come to the config that another tool made
 * has to write what that tool wrote.
 */

import { endOfString } from '../spec/json-text.ts';

/** What {@link encodeJson} takes. Members that are undefined are left out; a map keeps its order, whatever its keys are. */
export type Json =
  | string
  | number
  | boolean
  | null
  | RawJson
  | readonly Json[]
  | ReadonlyMap<string, Json>
  | { readonly [key: string]: Json | undefined };

/** JSON text that is written as it is. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value as JSON: on one line without spaces, or a line for each member when there is an indent. */
export function encodeJson(value: Json, indent: string = '', margin: string = ''): string {
  if (value instanceof RawJson) return value.text;
  if (typeof value === 'string') return encodeString(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = margin + indent;
  const colon = indent === '' ? ':' : ': ';
  const items = Array.isArray(value)
    ? value.map((item: Json) => encodeJson(item, indent, inner))
    : membersOf(value).map(([key, item]) => `${encodeString(key)}${colon}${encodeJson(item, indent, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (items.length === 0 || indent === '') return `${open}${items.join(',')}${close}`;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${margin}${close}`;
}

function membersOf(value: object): [string, Json][] {
  const entries: [string, Json | undefined][] = value instanceof Map ? [...value] : Object.entries(value);
  return entries.filter((entry): entry is [string, Json] => entry[1] !== undefined);
}

/** The entries ordered as Go orders those of a map, by the bytes of the keys. */
export function sortedByKey<T>(entries: Iterable<readonly [string, T]>): Map<string, T> {
  return new Map([...entries].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

function encodeString(text: string): string {
  return escapeMarkup(JSON.stringify(text.toWellFormed()));
}

// Go does this so that JSON can be put into a page.
function escapeMarkup(text: string): string {
  return text.replace(/[<>&\u2028\u2029]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * The members of a JSON object, each value as it is written there but for white space: numbers keep their digits, strings their
 * escapes and nested objects their order, which a parser would not keep. Of a key that comes twice the last one counts.
 * The text has to be a JSON object; that is not checked.
 */
export function rawMembers(text: string): Map<string, RawJson> {
  const members = new Map<string, RawJson>();
  let key: string | undefined;
  let value = '';
  let depth = 0;
  for (const token of tokens(text)) {
    const isClosing = token === '}' || token === ']';
    if (depth === 1 && key !== undefined && (token === ',' || isClosing)) {
      members.set(key, new RawJson(value));
      [key, value] = [undefined, ''];
    } else if (depth === 1 && key === undefined && token.startsWith('"')) key = JSON.parse(token) as string;
    else if (depth > 1 || (key !== undefined && (value !== '' || token !== ':'))) value += escapeMarkup(token);
    depth += Number(token === '{' || token === '[') - Number(isClosing);
  }
  return members;
}

function* tokens(text: string): Generator<string> {
  const others = /[{}[\],:]|[^\s"{}[\],:]+|"/g;
  for (let found = others.exec(text); found !== null; found = others.exec(text)) {
    if (found[0] !== '"') yield found[0];
    else {
      others.lastIndex = endOfString(text, others.lastIndex);
      yield text.slice(found.index, others.lastIndex);
    }
  }
}
