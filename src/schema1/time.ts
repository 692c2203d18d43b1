import { badDocument } from '../spec/documents.ts';

/** What Go writes for a time that nobody set. */
export const noTime = '0001-01-01T00:00:00Z';

const pattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

/**
 * A time of RFC 3339 as Go writes it after reading it: nanoseconds at most, without zeros at the end, the offset as it was.
 * @throws DrayError `invalid-argument` with reason `bad-document` when it is none.
 */
export function goTime(text: string): string {
  const [, seconds = '', fraction = '', zone = ''] = pattern.exec(text) ?? [];
  if (!isMoment(seconds)) throw badDocument('schema 1 manifest', `${JSON.stringify(text.slice(0, 64))} is no time`);
  const digits = fraction.slice(0, 9).replace(/0+$/, '');
  return `${seconds}${digits === '' ? '' : `.${digits}`}${/^[+-]00:00$/.test(zone) ? 'Z' : zone}`;
}

// A date that does not exist becomes another one, or none.
function isMoment(seconds: string): boolean {
  const milliseconds = Date.parse(`${seconds}Z`);
  return !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString().startsWith(seconds);
}
