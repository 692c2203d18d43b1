import { DrayError } from '../errors.ts';

const longestName = 76;
const namePattern = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;

/**
 * The name of a namespace: containerd's rule for identifiers, at most 76 letters and digits, in parts joined by single `.`,
 * `_` or `-`.
 * @throws DrayError `invalid-argument`.
 */
export function checkNamespace(name: string): void {
  if (isNamespace(name)) return;
  throw new DrayError('invalid-argument', `invalid namespace ${JSON.stringify(String(name).slice(0, 100))}`, {
    hint: `use at most ${longestName} letters and digits, in parts joined by single . _ or -`,
  });
}

/** Whether a text could name a namespace. */
export function isNamespace(text: string): boolean {
  return typeof text === 'string' && text.length <= longestName && namePattern.test(text);
}
