import { DrayError, toDrayError } from '../errors.ts';
import { withoutCredentials } from '../spec/without-credentials.ts';
import type { Context } from './context.ts';
import { exitCodeOf, reportError } from './failures.ts';

/** What a verb says about one of several things. */
export interface Said {
  /** The line on stdout. */
  readonly text: string;
  /** The line with `--quiet`, when it is another one. */
  readonly quiet?: string | undefined;
  /** The element with `--json`; the text if not said. */
  readonly json?: unknown;
}

/**
 * Does the same for several things: a line on stdout for each that worked, an error on stderr for each that did not; with
 * `--json` an array. The exit code is that of the error when there was only one thing or all failed alike, and 8 when some of
 * several failed.
 */
export async function each(
  context: Context,
  names: readonly string[],
  one: (name: string, index: number) => Promise<Said | string>,
): Promise<number> {
  const { output, signal } = context;
  const done: unknown[] = [];
  const failures: unknown[] = [];
  for (const [index, name] of names.entries()) {
    try {
      const result = await one(name, index);
      const said = typeof result === 'string' ? { text: result } : result;
      done.push(said.json ?? said.text);
      if (!output.json) await output.line(output.quiet ? (said.quiet ?? said.text) : said.text);
    } catch (error) {
      signal.throwIfAborted();
      const known = named(error, `${context.name} ${withoutCredentials(name)}`);
      if (names.length === 1) throw known;
      failures.push(known);
      reportError(known, output);
    }
  }
  if (output.json) await output.line(JSON.stringify(done, undefined, 2));
  if (failures.length === 0) return 0;
  return done.length === 0 && new Set(failures.map(exitCodeOf)).size === 1 ? exitCodeOf(failures[0]) : 8;
}

// What failed is what the person asked for; the step of it that failed stays as a detail.
function named(error: unknown, operation: string): DrayError {
  const { kind, message, context } = toDrayError(error);
  return new DrayError(kind, message, { ...context, operation, step: context.operation });
}

/** What the verbs that move an image say: its name with the digest, alone. */
export function sayCopied(copied: {
  readonly reference: string;
  readonly root: { readonly digest: string };
  readonly summary: object;
}): Said {
  const { reference, root, summary } = copied;
  return { text: reference, quiet: root.digest, json: { reference, digest: root.digest, ...summary } };
}
