/** A part of a blob, both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** What a `Range` header asks for: all, some parts, or nothing that is there. */
export type RangeRequest = 'all' | 'unsatisfiable' | readonly ByteRange[];

const mostRanges = 32;

/**
 * Reads a `Range` header (RFC 9110 section 14.2) against a blob of `size` bytes. Units other than bytes, malformed sets and
 * sets of very many or overlapping parts mean all of it, as if nothing had been asked. A range that ends before it starts
 * is malformed by the letter; saying so (unsatisfiable) is what the conformance suite of the specification wants.
 */
export function parseRanges(header: string | undefined, size: number): RangeRequest {
  const specs = /^bytes=([\d,\s-]+)$/i.exec(header ?? '')?.[1]?.split(',');
  if (specs === undefined || specs.length > mostRanges) return 'all';
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const match = /^\s*(\d{0,16})\s*-\s*(\d{0,16})\s*$/.exec(spec);
    const [, from = '', to = ''] = match ?? [];
    if (match === null || (from === '' && to === '')) return 'all';
    const range =
      from === '' ? suffix(Number(to), size) : { first: Number(from), last: to === '' ? size - 1 : Number(to) };
    if (range.first < size && range.first <= range.last) {
      ranges.push({ first: range.first, last: Math.min(range.last, size - 1) });
    }
  }
  if (ranges.length === 0) return 'unsatisfiable';
  return overlap(ranges) ? 'all' : ranges;
}

function suffix(length: number, size: number): ByteRange {
  return { first: length === 0 ? size : Math.max(0, size - length), last: size - 1 };
}

function overlap(ranges: readonly ByteRange[]): boolean {
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  return sorted.some((range, index) => range.first <= (sorted[index - 1]?.last ?? -1));
}

/** Reads the `Content-Range` of a chunk that is uploaded: `0-1023`, also as `bytes 0-1023/*`. Undefined when malformed. */
export function parseChunkRange(header: string): ByteRange | undefined {
  const match = /^(?:bytes[ =])?(\d{1,16})-(\d{1,16})(?:\/(?:\d+|\*))?$/.exec(header.trim());
  if (match === null) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2])];
  return first <= last && Number.isSafeInteger(last) ? { first, last } : undefined;
}
