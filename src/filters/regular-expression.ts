import { createRequire } from 'node:module';
import { DrayError } from '../errors.ts';

/** A regular expression that is looked for anywhere in a text. */
export interface Pattern {
  test(text: string): boolean;
}

/** The longest expression that is accepted, in characters. */
const patternLimit = 4096;

/**
 * Compiles a regular expression in the syntax of RE2, which is that of Go: no lookaround and no backreferences, so every
 * search takes time linear in the text, whoever wrote the expression. A malformed one gives `undefined`.
 * @throws DrayError `invalid-argument` for one over {@link patternLimit}.
 */
export function compilePattern(source: string): Pattern | undefined {
  if (source.length > patternLimit) {
    throw new DrayError('invalid-argument', `a regular expression of ${source.length} characters is too long`, {
      hint: `use at most ${patternLimit}`,
    });
  }
  // Only filters with a regular expression pay for loading the engine.
  const { RE2JS } = createRequire(import.meta.url)('re2js') as typeof import('re2js');
  try {
    const compiled = RE2JS.compile(source);
    return { test: (text) => compiled.test(text) };
  } catch {
    return undefined;
  }
}

/** The regular expression that finds a text as it is. */
export function literally(text: string): string {
  return text.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}
