import { type Expression, parseFilter } from './parse.ts';

/** How a filter sees an object: the value of a field path, undefined when the object has no such field. */
export type Fields = (path: readonly string[]) => string | undefined;

/** Whether an object passes. */
export type Filter = (fields: Fields) => boolean;

/**
 * One filter out of a list, in containerd's language (containerd.md section 3): an object passes when any member of the
 * list matches, and a member matches when all its comma-separated parts do. An empty list and an empty member match all.
 * @throws DrayError `invalid-argument` with the column of the mistake.
 */
export function parseFilters(filters: readonly string[]): Filter {
  const members = filters.map(parseFilter);
  if (members.length === 0) return () => true;
  return (fields) => members.some((member) => member.every((expression) => matches(expression, fields)));
}

function matches({ path, operator, value, pattern }: Expression, fields: Fields): boolean {
  const found = fields(path);
  switch (operator) {
    case 'present':
      return found !== undefined;
    case '==':
      return found === value;
    case '!=':
      return found !== value;
    case '~=':
      return pattern?.test(found ?? '') ?? false;
  }
}

/** A field path `labels.KEY` looked up in labels; the rest of the path is the key, dots included. */
export function labelField(labels: Readonly<Record<string, string>>, path: readonly string[]): string | undefined {
  const key = path.slice(1).join('.');
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
