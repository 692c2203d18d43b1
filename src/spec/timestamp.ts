import { DrayError } from '../errors.ts';

const earliest = BigInt(Date.parse('0000-01-01T00:00:00Z')) * 1_000_000n;
const latest = BigInt(Date.parse('9999-12-31T23:59:59.999Z')) * 1_000_000n + 999_999n;

/**
 * A point in time with nanoseconds, as containerd keeps it: a `Date` would lose what orders events within a millisecond.
 * Written as RFC 3339 text in UTC.
 */
export class Timestamp {
  /** Nanoseconds since 1970-01-01T00:00:00Z. */
  readonly nanoseconds: bigint;

  constructor(nanoseconds: bigint) {
    this.nanoseconds = nanoseconds;
  }

  /** A time that somebody else named. @throws DrayError `invalid-argument` outside of the years 0 to 9999: RFC 3339 has no others. */
  static of(nanoseconds: bigint): Timestamp {
    if (nanoseconds >= earliest && nanoseconds <= latest) return new Timestamp(nanoseconds);
    throw new DrayError('invalid-argument', 'a time is outside of the years 0 to 9999');
  }

  /** The present moment. Never earlier than the one before in this process. */
  static now(): Timestamp {
    return new Timestamp(realtime());
  }

  static fromDate(date: Date): Timestamp {
    return new Timestamp(BigInt(date.getTime()) * 1_000_000n);
  }

  /**
   * RFC 3339 text with up to nine fractional digits and any offset, of a time in the years 0 to 9999 in UTC.
   * @throws DrayError `invalid-argument` when it is none.
   */
  static parse(text: string): Timestamp {
    const parts = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
    const seconds = parts === null ? Number.NaN : Date.parse(`${parts[1]}${parts[3]}`);
    if (parts === null || Number.isNaN(seconds)) {
      throw new DrayError('invalid-argument', `invalid time ${JSON.stringify(text.slice(0, 64))}`, {
        hint: 'write it as 2026-01-31T12:00:00Z',
      });
    }
    return Timestamp.of(BigInt(seconds) * 1_000_000n + BigInt((parts[2] ?? '').padEnd(9, '0')));
  }

  toDate(): Date {
    return new Date(this.milliseconds);
  }

  /** Milliseconds since 1970, rounded down. */
  get milliseconds(): number {
    const whole = this.nanoseconds / 1_000_000n;
    return Number(this.nanoseconds % 1_000_000n < 0n ? whole - 1n : whole);
  }

  /** RFC 3339 with as many fractional digits as are not zero, which is how Go writes it. */
  toString(): string {
    // Rounded down, also before 1970.
    const rest = ((this.nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    const whole = (this.nanoseconds - rest) / 1_000_000_000n;
    const seconds = new Date(Number(whole) * 1000).toISOString().slice(0, 19);
    const fraction = rest === 0n ? '' : `.${rest.toString().padStart(9, '0').replace(/0+$/, '')}`;
    return `${seconds}${fraction}Z`;
  }

  toJSON(): string {
    return this.toString();
  }
}

let offset = 0n;
let last = 0n;

// Node has no realtime clock finer than a millisecond. The monotonic one is shifted by an offset that is corrected
// whenever it leaves the millisecond that Date.now() reports, so that the clock follows steps and slews of the system's.
function realtime(): bigint {
  const monotonic = process.hrtime.bigint();
  const floor = BigInt(Date.now()) * 1_000_000n;
  const now = monotonic + offset;
  if (now < floor) offset = floor - monotonic;
  else if (now >= floor + 1_000_000n) offset = floor + 999_999n - monotonic;
  const corrected = monotonic + offset;
  const stepped = corrected < last - 1_000_000_000n;
  last = corrected > last || stepped ? corrected : last;
  return last;
}
