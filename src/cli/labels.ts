import type { Labels } from '../content/store.ts';
import { DrayError } from '../errors.ts';

/**
 * Labels as people write them, `key=value`; an empty value removes one.
 * @throws DrayError `invalid-argument` for anything else.
 */
export function parseLabels(words: readonly string[]): Labels {
  return Object.fromEntries(
    words.map((word) => {
      const equals = word.indexOf('=');
      if (equals < 1)
        throw new DrayError('invalid-argument', `invalid label ${JSON.stringify(word)}`, {
          hint: 'write it as key=value; key= removes it',
        });
      return [word.slice(0, equals), word.slice(equals + 1)];
    }),
  );
}

/** Labels for people, on one line. */
export function formatLabels(labels: Labels): string {
  const parts = Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  return parts.length === 0 ? '-' : parts.join(',');
}

/** The field paths that set exactly these labels. */
export function labelPaths(labels: Labels): string[] {
  return Object.keys(labels).map((key) => `labels.${key}`);
}
