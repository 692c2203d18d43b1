/** Keys and values of a JSON text that are strings, and the ends of its objects and arrays. */
const tokens = /"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?|[{}[\]]/gs;

/**
 * The first key that an object of a JSON text has twice, in whatever escapes it is written; undefined when none has one.
 * Readers differ in what such an object means. The text has to be JSON.
 */
export function repeatedKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (const [token, string = '', colon] of text.matchAll(tokens)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (colon !== undefined) {
      const key = string.includes('\\') ? (JSON.parse(`"${string}"`) as string) : string;
      const keys = open.at(-1);
      if (keys?.has(key) === true) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
