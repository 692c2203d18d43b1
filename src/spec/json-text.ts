/** How deep the objects and lists of a text may be in each other. Programs in Go stop at 10,000, and others run out of stack before. */
const nestingLimit = 1000;

/**
 * What two readers of a JSON text could differ in, in words: an object with a key twice, in whatever escapes it is written, or
 * nesting that not all of them follow; undefined when there is nothing. The text has to be JSON.
 */
export function ambiguityIn(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  const marks = /[{}[\]"]/g;
  for (let found = marks.exec(text); found !== null; found = marks.exec(text)) {
    const [mark] = found;
    if (open.length > nestingLimit) return `it is nested deeper than ${nestingLimit}`;
    if (mark === '{') open.push(new Set());
    else if (mark === '[') open.push(undefined);
    else if (mark !== '"') open.pop();
    else {
      marks.lastIndex = endOfString(text, marks.lastIndex);
      const keys = open.at(-1);
      if (keys === undefined || !isKey(text, marks.lastIndex)) continue;
      const key = JSON.parse(text.slice(found.index, marks.lastIndex)) as string;
      if (keys.has(key)) return `it has the key ${JSON.stringify(key.slice(0, 100))} twice`;
      keys.add(key);
    }
  }
  return undefined;
}

function isKey(text: string, end: number): boolean {
  const colon = /\s*:/y;
  colon.lastIndex = end;
  return colon.test(text);
}

/**
 * Where a string of a JSON text ends, behind its quote; `start` is behind the one that opens it. By hand, since a regular
 * expression runs out of stack on a long string of escapes.
 */
export function endOfString(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
