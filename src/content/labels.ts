import { DrayError } from '../errors.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { Labels } from './store.ts';

/** On a lease or an image: from this time on it keeps nothing; RFC 3339. */
const expireLabel = 'containerd.io/gc.expire';

/** The most bytes a key and its value may have together (as containerd). */
export const labelLimit = 4096;

/** @throws DrayError `invalid-argument` when a label has no key, is no Unicode text or is over {@link labelLimit}. */
export function checkLabels(labels: Labels): void {
  for (const [key, value] of Object.entries(labels)) {
    const shown = key.length > 40 ? `${key.slice(0, 40)}…` : key;
    if (key === '') throw new DrayError('invalid-argument', 'a label needs a key', { hint: 'write it as key=value' });
    if (typeof value !== 'string' || !key.isWellFormed() || !value.isWellFormed())
      throw new DrayError('invalid-argument', `label ${JSON.stringify(shown)} is no Unicode text`);
    if (fitsLabel(key, value)) continue;
    throw new DrayError('invalid-argument', `label ${shown} is longer than ${labelLimit} bytes with its value`, {
      hint: 'shorten it or keep the text in a blob of its own',
    });
  }
}

/** Whether a label keeps the limit. */
export function fitsLabel(key: string, value: string): boolean {
  return Buffer.byteLength(key) + Buffer.byteLength(value) <= labelLimit;
}

/** Labels without those whose value is empty, which mean removal. */
export function presentLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}

/**
 * The labels after an update by field paths: none or `labels` replaces all, `labels.KEY` sets one (everything behind the
 * first dot is the key).
 * @throws DrayError `invalid-argument` for another field path or a label over the limit.
 */
export function updateLabels(current: Labels, change: Labels, fieldpaths: readonly string[]): Labels {
  const unknown = fieldpaths.find((path) => path !== 'labels' && !isLabelPath(path));
  if (unknown !== undefined) {
    throw new DrayError('invalid-argument', `cannot update field ${JSON.stringify(unknown)}`, {
      hint: 'only labels and labels.KEY can be updated',
    });
  }
  const whole = fieldpaths.length === 0 || fieldpaths.includes('labels');
  // Not by assignment, which would take the key __proto__ for something else.
  const changes = fieldpaths.map((path) => path.slice('labels.'.length)).map((key) => [key, own(change, key)] as const);
  const result = presentLabels(whole ? change : { ...current, ...Object.fromEntries(changes) });
  checkLabels(result);
  return result;
}

function own(labels: Labels, key: string): string {
  return (Object.hasOwn(labels, key) ? labels[key] : undefined) ?? '';
}

/** Whether a field path names one label. */
export function isLabelPath(path: string): boolean {
  return path.startsWith('labels.') && path.length > 'labels.'.length;
}

/**
 * The label by which something is kept until a time, and none without one.
 * @throws DrayError `invalid-argument` for anything else, since what has a malformed label is kept for good.
 */
export function expiryLabel(time: Timestamp | undefined): Labels {
  if (time === undefined) return {};
  if (typeof time.nanoseconds === 'bigint') return { [expireLabel]: `${time}` };
  throw new DrayError('invalid-argument', `${time} is not a Timestamp`, {
    hint: 'Timestamp of dray/spec makes one: Timestamp.fromDate(date)',
  });
}

/**
 * The time that `containerd.io/gc.expire` names, or where databases end that count nanoseconds in 64 bits, in 1677 and 2262. A
 * malformed one counts as none, so that nothing is lost by it.
 */
export function expiryOf(labels: Labels): Timestamp | undefined {
  const text = Object.hasOwn(labels, expireLabel) ? labels[expireLabel] : undefined;
  if (text === undefined) return undefined;
  try {
    const { nanoseconds } = Timestamp.parse(text);
    const isCountable = BigInt.asIntN(64, nanoseconds) === nanoseconds;
    return new Timestamp(isCountable ? nanoseconds : nanoseconds < 0n ? earliest : latest);
  } catch {
    return undefined;
  }
}

const earliest = -(2n ** 63n);
const latest = 2n ** 63n - 1n;
