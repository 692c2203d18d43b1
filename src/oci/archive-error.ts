import { codeOf, DrayError, type ErrorContext, type ErrorSide, withContext } from '../errors.ts';

/** The error for an archive or a layout that cannot be what its maker meant: `invalid-argument`, reason `bad-archive`. */
export function badArchive(problem: string, context: ErrorContext = {}): DrayError {
  return new DrayError('invalid-argument', `bad image archive: ${problem}`, {
    reason: 'bad-archive',
    side: 'source',
    hint: 'make the archive again, or get it again from where it came',
    ...context,
  });
}

/** The error for an archive that ends too early: `data-loss`, reason `bad-archive`. */
export function truncated(where: string): DrayError {
  return new DrayError('data-loss', `bad image archive: it ends within ${where}`, {
    reason: 'bad-archive',
    side: 'source',
    hint: 'it was cut on its way: get it again and compare the sizes',
  });
}

/** The error for an archive that is out of all proportion: `resource-exhausted`, reason `bad-archive`. */
export function tooMuch(what: string): DrayError {
  return new DrayError('resource-exhausted', `bad image archive: ${what}`, {
    reason: 'bad-archive',
    side: 'source',
    hint: 'no tool makes such an archive; take only the images out of it that you need',
  });
}

/** The error for an archive in which something is missing that it names: `not-found`, reason `bad-archive`. */
export function incomplete(problem: string, context: ErrorContext = {}): DrayError {
  return new DrayError('not-found', `incomplete image archive: ${problem}`, {
    reason: 'bad-archive',
    side: 'source',
    hint: 'import it into a store that has the rest, make it again with all of its content, or take it in as it is with --skip-missing',
    ...context,
  });
}

/** An error that may be the file system's, with the path that was meant; any other passes unchanged. */
export function fileFailure(error: unknown, side: ErrorSide, path: string): unknown {
  return codeOf(error) === undefined ? error : withContext(error, { side, path, hint: 'check the path' });
}

/** A name out of an archive, fit to be shown. */
export function shown(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}
