import { DrayError } from '../errors.ts';
import { type Expression, parseFilter } from './parse.ts';

/** How a filter sees an object: the value of a field path, undefined when the object has no such field. */
export type Fields = (path: readonly string[]) => string | undefined;

/** A list of filters, parsed: whether an object passes. */
export interface Filter {
  (fields: Fields): boolean;
  /** What it was made of: an object passes when all expressions of any member match; all objects pass an empty list. */
  readonly members: readonly (readonly Expression[])[];
}

/**
 * Parses a list of filters in containerd's language (github.com/containerd/containerd, package filters): an object passes
 * when any member of the list matches, and a member matches when all its comma-separated parts do. An empty list and an
 * empty member match all. `FIELD` asks for presence, `FIELD==VALUE` and `FIELD!=VALUE` compare, `FIELD~=REGEX` searches with a
 * regular expression of RE2; a malformed one matches nothing, as there.
 * @throws DrayError `invalid-argument` with the column of the mistake.
 */
export function parseFilters(filters: readonly string[]): Filter {
  if (!Array.isArray(filters)) throw notText();
  const members = filters.map((text) => {
    if (typeof text !== 'string') throw notText();
    return parseFilter(text);
  });
  const matchesAny = (fields: Fields): boolean =>
    members.length === 0 || members.some((member) => member.every((expression) => matches(expression, fields)));
  return Object.assign(matchesAny, { members });
}

function notText(): DrayError {
  return new DrayError('invalid-argument', 'filters are a list of texts', {
    hint: `list('name==redis', 'labels.env') takes each as an argument, parseFilters and subscribe take an array`,
  });
}

function matches({ path, operator, value, pattern }: Expression, fields: Fields): boolean {
  const found = fields(path);
  switch (operator) {
    case 'present':
      return found !== undefined;
    case '==':
      return found === value;
    case '!=':
      return (found ?? '') !== value;
    case '~=':
      return pattern?.test(found ?? '') ?? false;
  }
}

/** An object as filters see it: text by field name, and objects of the same kind. */
export interface FieldTree {
  readonly [name: string]: string | FieldTree | undefined;
}

/**
 * The fields of an object. A path is followed name by name; where the rest of it, joined by dots, is a name itself, that one is
 * meant, so that `labels.a.b` finds the label `a.b`.
 */
export function fieldsOf(tree: FieldTree): Fields {
  return (path) => find(tree, path);
}

function find(tree: FieldTree, path: readonly string[]): string | undefined {
  const whole = own(tree, path.join('.'));
  if (typeof whole === 'string') return whole;
  const [first = '', ...rest] = path;
  const below = own(tree, first);
  return typeof below === 'object' && rest.length > 0 ? find(below, rest) : undefined;
}

function own(tree: FieldTree, name: string): string | FieldTree | undefined {
  return Object.hasOwn(tree, name) ? tree[name] : undefined;
}
